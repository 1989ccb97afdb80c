package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

// dockerImage is a member of manifest.json.
type dockerImage struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// findDocker finds the image in what docker save writes.
func findDocker(files Files, arch string) (*Image, error) {
	var list []dockerImage
	if err := readJSON(files, ManifestFile, nil, &list); err != nil {
		return nil, err
	}
	if len(list) != 1 { // the names are from the archive, and may be any
		var tags []string
		for _, image := range list[:min(len(list), 20)] {
			tags = append(tags, image.RepoTags...)
		}
		return nil, fmt.Errorf("%s has %d images (%.200q): save the one that is wanted alone",
			ManifestFile, len(list), tags)
	}
	return list[0].resolve(files, arch)
}

// resolve reads the configuration of the image.
func (d dockerImage) resolve(files Files, arch string) (*Image, error) {
	var cfg config
	if err := readJSON(files, d.Config, digestOf(d.Config), &cfg); err != nil {
		return nil, err
	}
	found := cfg.arch()
	if arch != "" && found != "" && arch != found {
		return nil, fmt.Errorf("no image for %s: there is one for %.40q", arch, found)
	}
	ids := cfg.RootFS.DiffIDs
	if len(ids) != len(d.Layers) || len(ids) > maxList {
		return nil, fmt.Errorf("%d layers, and the digests of %d (%d at most)",
			len(d.Layers), len(ids), maxList)
	}
	image := &Image{Arch: found}
	for i, name := range d.Layers {
		layer, err := d.layer(files, name, ids[i])
		if err != nil {
			return nil, err
		}
		image.Layers = append(image.Layers, layer)
	}
	return image, nil
}

// layer finds a layer. Its file is named after many things; the digest of what is in it is
// in the configuration.
func (d dockerImage) layer(files Files, name, id string) (Layer, error) {
	digest, err := parseDigest(id)
	if err != nil {
		return Layer{}, err
	}
	content, err := files(name)
	if err != nil {
		return Layer{}, fmt.Errorf("layer %.200q: %w", name, err)
	}
	return Layer{File: name, Size: content.Size(), Digest: digest, Unpacked: true}, nil
}

// digestOf is the digest that a file is named after, nil if it is after none. docker has
// HEX.json and HEX/layer.tar, others sha256:HEX and HEX.tar.gz.
func digestOf(name string) []byte {
	digits, _, _ := strings.Cut(strings.TrimPrefix(path.Base(name), "sha256:"), ".")
	digest, err := hex.DecodeString(digits)
	if err != nil || len(digest) != sha256.Size {
		return nil
	}
	return digest
}

// Form is how the files of an image are laid out.
type Form string

// The forms. What docker save has written since version 25 is a Layout as well.
const (
	Layout Form = "oci layout"
	Docker Form = "docker archive"
)

// Belongs tells, by the first name in a tar, whether it is an archive of an image, and
// of which form; "" means that it is none.
func Belongs(name string) Form {
	top, _, _ := strings.Cut(path.Clean(name), "/")
	switch top {
	case "blobs", "oci-layout", IndexFile:
		return Layout
	case ManifestFile, "repositories":
		return Docker
	}
	if digestOf(top) != nil {
		return Docker
	}
	return ""
}
