// Package sha512crypt hashes passwords for shadow(5), in the format that crypt(5) calls
// sha512crypt ($6$).
//
// It is for where no C library can be asked. All of them take this format, those of
// glibc and musl too, whereas the ones that are preferred today (yescrypt) are in few.
// It is pure but for the random salt of [Hash], and refuses no password.
//
// See https://www.akkadia.org/drepper/SHA-crypt.txt
package sha512crypt

import (
	"crypto/rand"
	"crypto/sha512"
	"hash"
)

const (
	prefix = "$6$"
	rounds = 5000 // the number that is meant when a hash names none
	// alphabet are the 64 digits of crypt.
	alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	maxSalt  = 16
)

// Hash hashes a password with a salt of its own.
func Hash(password string) (string, error) {
	var salt [maxSalt]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return "", err
	}
	for i, b := range salt {
		salt[i] = alphabet[b%64]
	}
	return Salted(password, string(salt[:])), nil
}

// Salted hashes a password with a salt, of which up to 16 bytes count. There is no $ in
// a salt.
func Salted(password, salt string) string {
	salt = salt[:min(len(salt), maxSalt)]
	sum := start(password, salt)
	p := repeat(digest(func(h hash.Hash) {
		for range len(password) {
			h.Write([]byte(password))
		}
	}), len(password))
	s := repeat(digest(func(h hash.Hash) {
		for range 16 + int(sum[0]) {
			h.Write([]byte(salt))
		}
	}), len(salt))
	for round := range rounds {
		sum = mix(sum, p, s, round)
	}
	return prefix + salt + "$" + encode(sum)
}

// start makes the sum that the rounds begin with.
func start(password, salt string) []byte {
	alternate := digest(func(h hash.Hash) { h.Write([]byte(password + salt + password)) })
	return digest(func(h hash.Hash) {
		h.Write([]byte(password + salt))
		h.Write(repeat(alternate, len(password)))
		for n := len(password); n > 0; n >>= 1 {
			if n&1 != 0 {
				h.Write(alternate)
			} else {
				h.Write([]byte(password))
			}
		}
	})
}

// mix is a round: what goes in, and in which order, depends on its number.
func mix(sum, p, s []byte, round int) []byte {
	return digest(func(h hash.Hash) {
		first, last := sum, p
		if round%2 != 0 {
			first, last = p, sum
		}
		h.Write(first)
		if round%3 != 0 {
			h.Write(s)
		}
		if round%7 != 0 {
			h.Write(p)
		}
		h.Write(last)
	})
}

func digest(fill func(hash.Hash)) []byte {
	h := sha512.New()
	fill(h)
	return h.Sum(nil)
}

// repeat makes n bytes of a digest.
func repeat(digest []byte, n int) []byte {
	b := make([]byte, 0, n+len(digest))
	for len(b) < n {
		b = append(b, digest...)
	}
	return b[:n]
}

// encode writes the bytes of a sum in the order of the format: three at a time, whose
// places are a third of the sum apart and turn with each group; the last one alone.
func encode(sum []byte) string {
	const third = 21
	var b []byte
	for i := range third {
		place := [3]int{i, i + third, i + 2*third}
		high, middle, low := place[i%3], place[(i+1)%3], place[(i+2)%3]
		b = digits(b, uint(sum[high])<<16|uint(sum[middle])<<8|uint(sum[low]), 4)
	}
	return string(digits(b, uint(sum[3*third]), 2))
}

// digits appends n digits of a number, the lowest first.
func digits(b []byte, number uint, n int) []byte {
	for range n {
		b = append(b, alphabet[number%64])
		number /= 64
	}
	return b
}
