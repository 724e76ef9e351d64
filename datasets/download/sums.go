package download

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// sums are the checksums of a file in passing.
type sums []sum

type sum struct {
	name, want string
	hash       hash.Hash
}

func (r *Request) newSums() sums {
	var s sums
	if r.SHA256 != "" {
		s = append(s, sum{"sha256", r.SHA256, sha256.New()})
	}
	if r.MD5 != "" {
		s = append(s, sum{"md5", r.MD5, md5.New()})
	}
	return s
}

func (s sums) Write(p []byte) (int, error) {
	for _, c := range s {
		c.hash.Write(p)
	}
	return len(p), nil
}

func (s sums) reset() {
	for _, c := range s {
		c.hash.Reset()
	}
}

func (s sums) check() error {
	for _, c := range s {
		if got := hex.EncodeToString(c.hash.Sum(nil)); !strings.EqualFold(got, c.want) {
			return fmt.Errorf("wrong checksum: %s is %s, expected %s", c.name, got, c.want)
		}
	}
	return nil
}
