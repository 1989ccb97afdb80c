package gpt

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// GUID is a globally unique id as it stands on disk: its first three groups are
// little-endian (UEFI 2.10, appendix A).
type GUID [16]byte

// guidOrder maps the bytes of the written form to those on disk.
var guidOrder = [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

// ParseGUID reads the written form, in any case:
// 4f68bce3-e8cd-4db1-96e7-fbcaf984b709.
func ParseGUID(s string) (GUID, error) {
	var g GUID
	digits := strings.ReplaceAll(s, "-", "")
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != len(g) || !strings.EqualFold(s, written(raw)) {
		return GUID{}, fmt.Errorf("parse GUID %q: want 32 hex digits in groups of 8-4-4-4-12", s)
	}
	for i, at := range guidOrder {
		g[at] = raw[i]
	}
	return g, nil
}

// String returns the written form in lower case.
func (g GUID) String() string {
	var raw [16]byte
	for i, at := range guidOrder {
		raw[i] = g[at]
	}
	return written(raw[:])
}

func written(raw []byte) string {
	h := hex.EncodeToString(raw)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
