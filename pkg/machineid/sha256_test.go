package machineid

import (
	stdhmac "crypto/hmac"
	stdsha256 "crypto/sha256"
	"testing"
)

// FuzzHMAC compares with the standard library.
func FuzzHMAC(f *testing.F) {
	for _, size := range []int{0, 1, 16, 55, 56, 63, 64, 65, 119, 120, 1000} {
		f.Add(make([]byte, size), []byte("key"))
		f.Add([]byte("message"), make([]byte, size))
	}
	f.Fuzz(func(t *testing.T, message, key []byte) {
		if got, want := sha256(message), stdsha256.Sum256(message); got != want {
			t.Errorf("sha256 %x, want %x", got, want)
		}
		h := stdhmac.New(stdsha256.New, key)
		h.Write(message)
		if got, want := hmac(key, message), digest(h.Sum(nil)); got != want {
			t.Errorf("hmac %x, want %x", got, want)
		}
	})
}
