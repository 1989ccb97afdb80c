package oci

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/freshroot/freshroot/pkg/subvol"
)

// descriptor leads to a blob
// (https://github.com/opencontainers/image-spec/blob/main/descriptor.md).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *platform         `json:"platform"`
	Annotations map[string]string `json:"annotations"`
}

type platform struct {
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
	OS           string `json:"os"`
}

// Annotations of descriptors.
const (
	refName = "org.opencontainers.image.ref.name" // what an image is called in a layout
	// attestation marks what says something about an image, and is none (BuildKit).
	attestation = "vnd.docker.reference.type"
)

// arch is the architecture by systemd's name.
func (p *platform) arch() string {
	if p == nil {
		return ""
	}
	return subvol.CanonicalArch(p.Architecture)
}

// document is an index or a manifest: the fields tell which.
type document struct {
	MediaType string       `json:"mediaType"`
	Manifests []descriptor `json:"manifests"`
	Config    descriptor   `json:"config"`
	Layers    []descriptor `json:"layers"`
}

// config is the part of an image's configuration that matters here.
type config struct {
	platform
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// candidate is a manifest, and what it is for.
type candidate struct {
	manifest document
	digest   string
	arch     string
	name     string // for people
}

// findOCI finds an image in a layout.
func findOCI(files Files, arch string) (*Image, error) {
	var top document
	if err := readJSON(files, IndexFile, nil, &top); err != nil {
		return nil, err
	}
	l := collector{files: files, seen: map[string]bool{}}
	if err := l.collect(top.Manifests, 0); err != nil {
		return nil, err
	}
	c, err := choose(l.found, arch)
	if err != nil {
		return nil, err
	}
	if len(c.manifest.Layers) > maxList {
		return nil, fmt.Errorf("manifest %s has more than %d layers", c.digest, maxList)
	}
	image := &Image{Arch: c.arch}
	for _, d := range c.manifest.Layers {
		layer, err := layerOf(d)
		if err != nil {
			return nil, err
		}
		image.Layers = append(image.Layers, layer)
	}
	return image, nil
}

// collector finds the manifests of an index, and of those in it.
type collector struct {
	files Files
	seen  map[string]bool // digests: the same one may be there under several names
	found []candidate
}

// collect adds what the members of an index lead to. A digest is looked at once: otherwise a
// few indexes that name each other's contents many times would keep it busy for ever.
func (l *collector) collect(list []descriptor, depth int) error {
	if depth > maxDepth || len(list) > maxList || len(l.found) > maxList {
		return fmt.Errorf("more than %d manifests, or indexes nested deeper than %d", maxList, maxDepth)
	}
	for _, d := range list {
		if l.seen[d.Digest] || d.Annotations[attestation] != "" {
			continue
		}
		l.seen[d.Digest] = true
		if err := l.add(d, depth); err != nil {
			return err
		}
	}
	return nil
}

// add adds what a descriptor leads to.
func (l *collector) add(d descriptor, depth int) error {
	var doc document
	err := readBlob(l.files, d, &doc)
	switch {
	case d.Platform != nil && errors.Is(err, fs.ErrNotExist):
		return nil // an index of all, and only some were saved
	case err != nil:
		return err
	case len(doc.Manifests) > 0:
		return l.collect(doc.Manifests, depth+1)
	case doc.Config.Digest == "":
		return fmt.Errorf("manifest %.100q is of no image that is known (%.100q)",
			d.Digest, d.MediaType)
	}
	c := candidate{doc, d.Digest, d.Platform.arch(), d.Annotations[refName]}
	if c.arch == "" { // the index need not say, the configuration does
		var cfg config
		if err := readBlob(l.files, doc.Config, &cfg); err != nil {
			return err
		}
		c.arch = cfg.arch()
	}
	l.found = append(l.found, c)
	return nil
}

// blobFile is where a layout has a blob.
func blobFile(digest []byte) string { return "blobs/sha256/" + hex.EncodeToString(digest) }

// readBlob reads the JSON that a descriptor leads to.
func readBlob(files Files, d descriptor, v any) error {
	digest, err := parseDigest(d.Digest)
	if err != nil {
		return err
	}
	return readJSON(files, blobFile(digest), digest, v)
}

// choose takes the one that is for the architecture.
func choose(found []candidate, arch string) (candidate, error) {
	if len(found) == 1 && (arch == "" || arch == found[0].arch || found[0].arch == "") {
		return found[0], nil
	}
	if arch == "" {
		arch = subvol.HostArch()
	}
	var fit []candidate
	var all []string
	for _, c := range found {
		all = append(all, c.String())
		if c.arch == arch {
			fit = append(fit, c)
		}
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(found) == 0:
		return candidate{}, errors.New("there is no image in it")
	case len(fit) == 0:
		return candidate{}, fmt.Errorf("no image for %s: there is one for %s",
			arch, strings.Join(all, ", "))
	}
	return candidate{}, fmt.Errorf("several images for %s (%s): "+
		"copy the one that is wanted to a layout of its own, as with skopeo copy",
		arch, strings.Join(all, ", "))
}

// String describes a candidate for people.
func (c candidate) String() string {
	if c.name == "" {
		return fmt.Sprintf("%.40q", c.arch)
	}
	return fmt.Sprintf("%.40q named %.100q", c.arch, c.name)
}

// layerOf checks what a manifest says of a layer.
func layerOf(d descriptor) (Layer, error) {
	digest, err := parseDigest(d.Digest)
	if err != nil {
		return Layer{}, err
	}
	// How a tar is compressed is seen from its content.
	if !strings.Contains(d.MediaType, "tar") || strings.Contains(d.MediaType, "encrypted") {
		return Layer{}, fmt.Errorf("layer %s cannot be unpacked: it is %.100q", d.Digest, d.MediaType)
	}
	return Layer{File: blobFile(digest), Size: d.Size, Digest: digest}, nil
}
