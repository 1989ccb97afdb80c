package disk

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Seed is what identifiers are derived from: of two disks with the same seed all of them
// are the same.
type Seed [sha256.Size]byte

// NewSeed makes a seed of any text, or of chance if there is none.
func NewSeed(text string) (s Seed) {
	if text == "" {
		rand.Read(s[:]) // which never fails
		return s
	}
	return sha256.Sum256([]byte(text))
}

// GUID derives the identifier of a thing, by its name: a custom UUID (version 8 of RFC
// 9562, section 5.8) of the HMAC of the name.
func (s Seed) GUID(thing string) string {
	id := s.derive(thing)
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	text := hex.EncodeToString(id[:16])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// ID derives a short identifier, such as the volume ID of a FAT.
func (s Seed) ID(thing string) uint32 {
	return binary.BigEndian.Uint32(s.derive(thing))
}

func (s Seed) derive(thing string) []byte {
	mac := hmac.New(sha256.New, s[:])
	mac.Write([]byte(thing))
	return mac.Sum(nil)
}
