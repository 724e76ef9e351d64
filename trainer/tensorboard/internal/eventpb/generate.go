// Package eventpb has the messages of event.proto.
//
// To generate it anew: protoc 3.21 or later, and
// go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12.
package eventpb

//go:generate protoc -I ../../../.. --go_out=../../../.. --go_opt=paths=source_relative trainer/tensorboard/internal/eventpb/event.proto
