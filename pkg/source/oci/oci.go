// Package oci finds the layers of a container image among the files of an OCI image
// layout or of what docker save writes.
//
// It checks what it reads against the digests that lead there; what the layers hold is
// for the caller to check against theirs. An image of several platforms is chosen from by
// the architecture. Files of more than 4 MiB of JSON, lists of more than 1,000 members and
// indexes nested deeper than 4 are refused, as are digests other than SHA-256, encrypted
// layers, and sources that hold several images. It needs no privileges.
//
// See https://github.com/opencontainers/image-spec and, for manifest.json,
// https://github.com/moby/moby/blob/master/image/spec/v1.2.md.
package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Names of the files that a layout or an archive begins with.
const (
	IndexFile    = "index.json"    // of an OCI image layout
	ManifestFile = "manifest.json" // of what docker save writes
)

// Bounds of what is read into memory.
const (
	maxJSON  = 4 << 20
	maxList  = 1000
	maxDepth = 4
)

// Files opens a file of the source. The error wraps fs.ErrNotExist if there is none.
type Files func(name string) (*io.SectionReader, error)

// Image is an image for one architecture.
type Image struct {
	Arch   string  // as systemd calls it, "" if the image does not say
	Layers []Layer // from the bottom up
}

// Layer is a tar that may be compressed.
type Layer struct {
	File string // its name among the files
	Size int64  // bytes, as in the file
	// Digest is the SHA-256 of the file, or, if Unpacked is set, of the tar in it; nil
	// if the image does not say.
	Digest   []byte
	Unpacked bool
}

// Find finds the image for an architecture, by systemd's name. If it is empty, the one
// that there is will do; of several, it is that of this program.
func Find(files Files, arch string) (*Image, error) {
	_, err := files(IndexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return findDocker(files, arch)
	}
	if err != nil {
		return nil, err
	}
	return findOCI(files, arch)
}

// readJSON reads a file into v. digest may be nil.
func readJSON(files Files, name string, digest []byte, v any) error {
	content, err := files(name)
	if err != nil {
		return err
	}
	if content.Size() > maxJSON {
		return fmt.Errorf("%q has more than %d MiB", name, maxJSON>>20)
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return fmt.Errorf("read %q: %w", name, err)
	}
	if sum := sha256.Sum256(text); digest != nil && !bytes.Equal(sum[:], digest) {
		return fmt.Errorf("%q is damaged: its SHA-256 is %x", name, sum)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("parse %q: %w", name, err)
	}
	return nil
}

// parseDigest reads a digest such as sha256:e3b0c442...
func parseDigest(text string) ([]byte, error) {
	algorithm, digits, _ := strings.Cut(text, ":")
	digest, err := hex.DecodeString(digits)
	if algorithm != "sha256" || err != nil || len(digest) != sha256.Size {
		return nil, fmt.Errorf("digest %.100q is not known: it has to be sha256: and 64 digits", text)
	}
	return digest, nil
}
