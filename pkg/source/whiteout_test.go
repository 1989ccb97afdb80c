package source_test

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/source"
)

// dockerArchive makes what docker save writes of some layers.
func dockerArchive(t testing.TB, layers ...[]byte) []entry {
	t.Helper()
	var names, ids []string
	var entries []entry
	for i, layer := range layers {
		names = append(names, fmt.Sprintf("%064x/layer.tar", i))
		ids = append(ids, fmt.Sprintf("sha256:%x", sha256.Sum256(layer)))
		entries = append(entries, file(names[i], string(layer)))
	}
	config := toJSON(t, map[string]any{"rootfs": map[string]any{"diff_ids": ids}})
	name := fmt.Sprintf("%x.json", sha256.Sum256([]byte(config)))
	manifest := toJSON(t, []any{map[string]any{"Config": name, "Layers": names}})
	return append(entries, file(name, config), file("manifest.json", manifest))
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	return string(text)
}

func TestIntegrationWhiteouts(t *testing.T) {
	base := []entry{
		dir("d", 0o700), file("d/a", "1"), file("d/b", "1"), file("d/sub/c", "1"), file("f", "1"),
		other(tar.TypeSymlink, "l", "d"), file(".wh.own", ""), file("own", "1"),
	}
	tests := []struct {
		name  string
		layer []entry
		want  string // files with their content
	}{
		{"a file", []entry{file("d/.wh.a", "")}, "d/ d/b=1 d/sub/ d/sub/c=1 f=1 own=1"},
		{"a directory", []entry{file(".wh.d", "")}, "f=1 own=1"},
		{"what is not there", []entry{file(".wh.x", ""), file("x/y/.wh.z", ""), file("f/.wh.x", "")},
			"d/ d/a=1 d/b=1 d/sub/ d/sub/c=1 f=1 own=1"},
		{"and again", []entry{file(".wh.f", ""), file("f", "2")}, "d/ d/a=1 d/b=1 d/sub/ d/sub/c=1 f=2 own=1"},
		{"again before", []entry{file("f", "2"), file(".wh.f", "")}, "d/ d/a=1 d/b=1 d/sub/ d/sub/c=1 f=2 own=1"},
		{"a directory again before", []entry{file("d/new", "2"), file(".wh.d", "")}, "d/ d/new=2 f=1 own=1"},
		{"opaque", []entry{file("d/.wh..wh..opq", ""), file("d/new", "2")}, "d/ d/new=2 f=1 own=1"},
		{"opaque at the end", []entry{dir("d", 0o755), file("d/new", "2"), file("d/sub/c", "2"), file("d/.wh..wh..opq", "")},
			"d/ d/new=2 d/sub/ d/sub/c=2 f=1 own=1"},
		{"an empty directory stays", []entry{dir("d/sub", 0o755), file("d/.wh..wh..opq", "")}, "d/ d/sub/ f=1 own=1"},
		{"everything", []entry{file(".wh..wh..opq", ""), file("f", "2")}, "f=2"},
		{"behind a link", []entry{file("l/.wh.a", "")}, "d/ d/b=1 d/sub/ d/sub/c=1 f=1 own=1"},
		{"of aufs", []entry{file("d/.wh..wh.plnk", "")}, "d/ d/a=1 d/b=1 d/sub/ d/sub/c=1 f=1 own=1"},
		{"a directory in the place of a file", []entry{dir("f", 0o755)}, "d/ d/a=1 d/b=1 d/sub/ d/sub/c=1 f/ own=1"},
		{"a file in the place of a directory", []entry{file("d", "2")}, "d=2 f=1 own=1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			at := testfs.Tmpfs(t, "size=4m")
			archive := dockerArchive(t, makeTar(t, base...), makeTar(t, test.layer...))
			_, err := unpackInto(t, put(t, makeTar(t, archive...)), at, source.Options{})
			must(t, err)
			var got []string
			for name, content := range list(t, at) {
				switch content {
				case "/":
					got = append(got, name+"/")
				case "1", "2":
					got = append(got, name+"="+content)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestIntegrationImageRefuses(t *testing.T) {
	testfs.Root(t)
	good := dockerArchive(t, makeTar(t, file("a", "1")))
	tests := []struct {
		name, want string
		change     func([]entry) []entry
	}{
		{"another layer", "it is damaged", func(e []entry) []entry {
			e[0].content = strings.Replace(e[0].content, "1", "2", -1)
			return e
		}},
		{"half a layer", "it is damaged", func(e []entry) []entry {
			e[0] = file(e[0].Name, e[0].content[:512])
			return e
		}},
		{"no manifest", `"manifest.json" is not in the archive`, func(e []entry) []entry { return e[:2] }},
		{"a loop", "is not in the archive", func(e []entry) []entry {
			e[0] = other(tar.TypeSymlink, e[0].Name, "layer.tar")
			return e
		}},
		{"a whiteout of the directory itself", "of nothing", func(e []entry) []entry {
			return dockerArchive(t, makeTar(t, file("a/.wh..", "")))
		}},
		{"a whiteout of the one above", "of nothing", func(e []entry) []entry {
			return dockerArchive(t, makeTar(t, file("a/.wh...", "")))
		}},
		{"a whiteout up", `has a ".."`, func(e []entry) []entry {
			return dockerArchive(t, makeTar(t), makeTar(t, file("../outside/.wh.a", "")))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := put(t, makeTar(t, test.change(append([]entry{}, good...))...))
			_, err := unpackInto(t, path, t.TempDir(), source.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"nothing", "", "it is empty"},
		{"text", "#!/bin/sh\n", "nothing that is known; it has to be a directory, a tar"},
		{"zeros", strings.Repeat("\x00", 10240), "nothing that is known"},
		{"a disk", strings.Repeat("\x00", 510) + "\x55\xaa", "a disk image"},
		{"a qcow2", "QFI\xfb", "a qcow2 image"},
		{"a cpio", "070701", "a cpio archive"},
		{"half a gzip", "\x1f\x8b\x08", "unfinished"},
		{"an image in zstd", string(zstd.EncodeTo(nil, []byte("hsqs"))), "squashfs within zstd: decompress it"},
		{"not quite gzip", "\x1f\x8b\x08\x00" + strings.Repeat("\xff", 100), "gzip: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := source.Open(put(t, []byte(test.content)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, unix.Mkfifo(pipe, 0o600))
	if _, err := source.Open(pipe); err == nil || !strings.Contains(err.Error(), "device or a pipe") {
		t.Errorf("a pipe: %v", err)
	}
}

// TestIntegrationPackedLayer has layers that are compressed, and digests of what is in them,
// as other programs than docker write such archives.
func TestIntegrationPackedLayer(t *testing.T) {
	layer := makeTar(t, file("a", "1"))
	archive := dockerArchive(t, layer)
	archive[0] = file(archive[0].Name, string(zstd.EncodeTo(nil, layer)))
	at := testfs.Tmpfs(t, "size=4m")
	_, err := unpackInto(t, put(t, makeTar(t, archive...)), at, source.Options{})
	must(t, err)
	if diff := cmp.Diff(map[string]string{"a": "1"}, list(t, at)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
