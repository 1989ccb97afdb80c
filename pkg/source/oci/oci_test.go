package oci

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// store is a source in memory.
type store map[string]string

func (s store) open(name string) (*io.SectionReader, error) {
	content, ok := s[name]
	if !ok {
		return nil, fmt.Errorf("open %q: %w", name, fs.ErrNotExist)
	}
	return io.NewSectionReader(strings.NewReader(content), 0, int64(len(content))), nil
}

// blob adds a blob, and returns its digest.
func (s store) blob(content string) string {
	sum := sha256.Sum256([]byte(content))
	s[blobFile(sum[:])] = content
	return fmt.Sprintf("sha256:%x", sum)
}

const layerType = "application/vnd.oci.image.layer.v1.tar+gzip"

// image adds an image with one layer, and returns what an index says of it.
func (s store) image(arch string) descriptor {
	config := descriptor{Digest: s.blob(fmt.Sprintf(`{"architecture":%q}`, arch))}
	layer := descriptor{MediaType: layerType, Digest: s.blob("layer of " + arch), Size: 7}
	return descriptor{Digest: s.blob(text(document{Config: config, Layers: []descriptor{layer}}))}
}

// index makes descriptors the top of the layout.
func (s store) index(list ...descriptor) { s[IndexFile] = text(document{Manifests: list}) }

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestFind(t *testing.T) {
	tests := []struct {
		name, arch string
		fill       func(s store)
		want       string // the architecture, or words of the error
	}{
		{"one", "", func(s store) { s.index(s.image("riscv64")) }, "riscv64"},
		{"the wanted one", "x86-64", func(s store) { s.index(s.image("amd64")) }, "x86-64"},
		{"another one", "arm64", func(s store) { s.index(s.image("amd64")) }, `no image for arm64: there is one for "x86-64"`},
		{"of two", "arm64", func(s store) { s.index(s.image("amd64"), s.image("arm64")) }, "arm64"},
		{"two that fit", "arm64", func(s store) {
			d := s.image("arm64")
			d.Digest = s.blob(s["blobs/sha256/"+d.Digest[7:]] + " ")
			s.index(s.image("arm64"), d)
		}, "several images for arm64"},
		{"under two names", "", func(s store) { s.index(s.image("arm64"), s.image("arm64")) }, "arm64"},
		{"in an index in the index", "arm64", func(s store) {
			inner := text(document{Manifests: []descriptor{s.image("amd64"), s.image("arm64")}})
			s.index(descriptor{Digest: s.blob(inner)})
		}, "arm64"},
		{"one that was not saved", "arm64", func(s store) {
			d := s.image("amd64")
			d.Platform = &platform{Architecture: "amd64"}
			delete(s, "blobs/sha256/"+d.Digest[7:])
			s.index(d, s.image("arm64"))
		}, "arm64"},
		{"an attestation", "", func(s store) {
			a := s.image("unknown")
			a.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
			s.index(s.image("arm64"), a)
		}, "arm64"},
		{"nothing", "", func(s store) { s.index() }, "no image in it"},
		{"no index", "", func(s store) {}, `"manifest.json": file does not exist`},
		{"damaged", "", func(s store) {
			d := s.image("arm64")
			s["blobs/sha256/"+d.Digest[7:]] += " "
			s.index(d)
		}, "is damaged"},
		{"a digest that leads out", "", func(s store) { s.index(descriptor{Digest: "sha256:../../x"}) }, "is not known"},
		{"another digest", "", func(s store) { s.index(descriptor{Digest: "md5:00"}) }, "is not known"},
		{"no image at all", "", func(s store) { s.index(descriptor{Digest: s.blob("{}")}) }, "of no image"},
		{"large", "", func(s store) { s[IndexFile] = strings.Repeat(" ", maxJSON+1) }, "more than 4 MiB"},
		{"many", "", func(s store) { s.index(make([]descriptor, maxList+1)...) }, "more than 1000 manifests"},
		{"deep", "", func(s store) {
			d := s.image("arm64")
			for range maxDepth + 1 {
				d = descriptor{Digest: s.blob(text(document{Manifests: []descriptor{d}}))}
			}
			s.index(d)
		}, "nested deeper than 4"},
		{"an encrypted layer", "", func(s store) {
			layer := descriptor{MediaType: layerType + "+encrypted", Digest: s.blob("secret")}
			doc := document{Config: descriptor{Digest: s.blob("{}")}, Layers: []descriptor{layer}}
			s.index(descriptor{Digest: s.blob(text(doc))})
		}, "cannot be unpacked"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := store{}
			test.fill(s)
			image, err := Find(s.open, test.arch)
			if err != nil {
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %q, want %q", err, test.want)
				}
				return
			}
			if image.Arch != test.want || len(image.Layers) != 1 || image.Layers[0].Size != 7 {
				t.Errorf("found %+v, want that for %s", image, test.want)
			}
		})
	}
}

func TestFindDocker(t *testing.T) {
	layer := sha256.Sum256([]byte("a tar"))
	config := fmt.Sprintf(`{"architecture":"arm64","rootfs":{"diff_ids":["sha256:%x"]}}`, layer)
	named := fmt.Sprintf("%x.json", sha256.Sum256([]byte(config)))
	manifest := fmt.Sprintf(`[{"Config":%q,"RepoTags":["a:1"],"Layers":["1/layer.tar"]}]`, named)
	good := store{ManifestFile: manifest, named: config, "1/layer.tar": "a tar"}

	image, err := Find(good.open, "")
	if err != nil {
		t.Fatal(err)
	}
	want := &Image{"arm64", []Layer{{File: "1/layer.tar", Size: 5, Digest: layer[:], Unpacked: true}}}
	if diff := cmp.Diff(want, image); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, bad := range []struct{ name, file, content, arch, want string }{
		{"two", ManifestFile, `[{"RepoTags":["a:1"]},{"RepoTags":["b:2"]}]`, "", `has 2 images (["a:1" "b:2"])`},
		{"none", ManifestFile, `[]`, "", "has 0 images"},
		{"damaged", named, config + " ", "", "is damaged"},
		{"another", "x", "", "x86-64", `no image for x86-64: there is one for "arm64"`},
		{"no layer", ManifestFile, strings.Replace(manifest, "1/", "2/", 1), "", "file does not exist"},
		{"digests", ManifestFile, strings.Replace(manifest, `["1/layer.tar"]`, `[]`, 1), "", "digests of 1"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			s := store{bad.file: bad.content}
			for name, content := range good {
				if name != bad.file {
					s[name] = content
				}
			}
			_, err := Find(s.open, bad.arch)
			if err == nil || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("error %v, want %q", err, bad.want)
			}
		})
	}
}

func TestBelongs(t *testing.T) {
	id := strings.Repeat("0a", 32)
	for name, want := range map[string]Form{
		"blobs/": Layout, "./blobs/sha256": Layout, "oci-layout": Layout, "index.json": Layout,
		"manifest.json": Docker, id + "/": Docker, id + ".tar": Docker, id + ".json": Docker,
		"sha256:" + id: Docker, id + ".tar.gz": Docker, "sha256:": "",
		"usr/": "", "bin": "", "abcd.tar": "", id + "0": "", "./": "", "/blobs": "",
	} {
		if got := Belongs(name); got != want {
			t.Errorf("Belongs(%q) = %q, want %q", name, got, want)
		}
	}
}

// FuzzFind sees that nothing that an index says leads to anything but a blob.
func FuzzFind(f *testing.F) {
	s := store{}
	s.index(s.image("amd64"), s.image("arm64"))
	f.Add(s[IndexFile], "x86-64")
	f.Add(`{"manifests":[{"digest":"sha256:..","platform":{}}]}`, "")
	f.Fuzz(func(t *testing.T, index, arch string) {
		s := store{IndexFile: index}
		s.image("amd64")
		s.image("arm64")
		image, err := Find(s.open, arch)
		if err != nil {
			return
		}
		for _, layer := range image.Layers {
			if !strings.HasPrefix(layer.File, "blobs/sha256/") || len(layer.Digest) != sha256.Size {
				t.Errorf("layer %+v", layer)
			}
		}
	})
}

// FuzzFindDocker sees that every layer has a digest that its content will be checked by.
func FuzzFindDocker(f *testing.F) {
	digest := strings.Repeat("00", 32)
	f.Add(`[{"Config":"c","Layers":["l"]}]`, `{"rootfs":{"diff_ids":["sha256:`+digest+`"]}}`)
	f.Fuzz(func(t *testing.T, manifest, config string) {
		s := store{ManifestFile: manifest, "c": config, "l": ""}
		image, err := Find(s.open, "")
		if err != nil {
			return
		}
		for _, layer := range image.Layers {
			if layer.File != "l" || len(layer.Digest) != sha256.Size {
				t.Errorf("layer %+v", layer)
			}
		}
	})
}
