//go:build !linux

package cli

// limitMemory does nothing: only Linux says how much memory there is.
func limitMemory() {}
