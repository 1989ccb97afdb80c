package machineid

import (
	"encoding/binary"
	"math/bits"
)

// This is SHA-256 (FIPS 180-4) and HMAC (RFC 2104). The packages of the standard library
// bring a certified module with its self-tests and random generators along, which would
// add 50 kB to the compressed init; what is hashed here is 16 bytes, once, and guards no
// secret against somebody who can measure time.

const blockSize = 64

type digest [32]byte

// hmac keys the hash of a message. A key that is longer than a block is hashed first.
func hmac(key, message []byte) digest {
	if len(key) > blockSize {
		sum := sha256(key)
		key = sum[:]
	}
	inner, outer := make([]byte, blockSize), make([]byte, blockSize)
	copy(inner, key)
	copy(outer, key)
	for i := range blockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	sum := sha256(append(inner, message...))
	return sha256(append(outer, sum[:]...))
}

// sha256 hashes a message, which it pads with a one bit, zeros and its length in bits.
func sha256(message []byte) (sum digest) {
	padded := append([]byte{}, message...)
	padded = append(padded, 0x80)
	for len(padded)%blockSize != blockSize-8 {
		padded = append(padded, 0)
	}
	padded = binary.BigEndian.AppendUint64(padded, uint64(len(message))*8)
	// The square roots of the first 8 primes: the first 32 bits of their fractions.
	state := [8]uint32{
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	}
	for ; len(padded) > 0; padded = padded[blockSize:] {
		compress(&state, padded[:blockSize])
	}
	for i, word := range state {
		binary.BigEndian.PutUint32(sum[4*i:], word)
	}
	return sum
}

// compress mixes a block into the state. The names are those of the standard, where
// e&f ^ ^e&g is Ch, the choice of e between f and g, and a&b ^ a&c ^ b&c is Maj, what
// most of them have.
func compress(state *[8]uint32, block []byte) {
	w := schedule(block)
	a, b, c, d, e, f, g, h := state[0], state[1], state[2], state[3],
		state[4], state[5], state[6], state[7]
	for t := range w {
		sum1 := right(e, 6) ^ right(e, 11) ^ right(e, 25)
		t1 := h + sum1 + (e&f ^ ^e&g) + roundConstants[t] + w[t]
		sum0 := right(a, 2) ^ right(a, 13) ^ right(a, 22)
		t2 := sum0 + (a&b ^ a&c ^ b&c)
		a, b, c, d, e, f, g, h = t1+t2, a, b, c, d+t1, e, f, g
	}
	for i, word := range [8]uint32{a, b, c, d, e, f, g, h} {
		state[i] += word
	}
}

// schedule spreads the 16 words of a block over the 64 rounds.
func schedule(block []byte) (w [64]uint32) {
	for t := range 16 {
		w[t] = binary.BigEndian.Uint32(block[4*t:])
	}
	for t := 16; t < len(w); t++ {
		s0 := right(w[t-15], 7) ^ right(w[t-15], 18) ^ w[t-15]>>3
		s1 := right(w[t-2], 17) ^ right(w[t-2], 19) ^ w[t-2]>>10
		w[t] = s1 + w[t-7] + s0 + w[t-16]
	}
	return w
}

// right rotates, where the standard library rotates to the left only.
func right(x uint32, n int) uint32 { return bits.RotateLeft32(x, -n) }

// roundConstants are the cube roots of the first 64 primes, likewise.
var roundConstants = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
	0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
	0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
	0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}
