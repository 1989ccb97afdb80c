package sendstream_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/sendstream"
	"github.com/freshroot/freshroot/pkg/sendstream/sendtest"
)

// decode returns all commands of a stream.
func decode(stream []byte) ([]sendstream.Command, error) {
	d, err := sendstream.NewDecoder(bytes.NewReader(stream))
	if err != nil {
		return nil, err
	}
	var all []sendstream.Command
	for {
		c, err := d.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		c.Data = bytes.Clone(c.Data)
		all = append(all, c)
	}
}

// example is a stream with one command of each way to write attributes.
func example() []byte {
	s := sendtest.Begun()
	s = sendtest.Command(s, sendstream.Mkfile, sendtest.Attribute{Number: sendtest.Path, Value: "f"})
	s = sendtest.Command(s, sendstream.Utimes,
		sendtest.Attribute{Number: sendtest.Path, Value: "f"},
		sendtest.Attribute{Number: sendtest.Atime, Value: sendstream.Time{Sec: -1, Nsec: 5}},
		sendtest.Attribute{Number: sendtest.Mtime, Value: sendstream.Time{Sec: 1 << 40}})
	s = sendtest.Command(s, sendstream.Write,
		sendtest.Attribute{Number: sendtest.Path, Value: "f"},
		sendtest.Attribute{Number: sendtest.Offset, Value: uint64(4096)},
		sendtest.Attribute{Number: sendtest.Data, Value: "content"})
	return sendtest.Command(s, sendstream.End)
}

func TestDecoder(t *testing.T) {
	got, err := decode(example())
	if err != nil {
		t.Fatal(err)
	}
	want := []sendstream.Command{
		{Op: sendstream.Subvol, Path: "s"},
		{Op: sendstream.Mkfile, Path: "f"},
		{
			Op: sendstream.Utimes, Path: "f",
			Atime: sendstream.Time{Sec: -1, Nsec: 5}, Mtime: sendstream.Time{Sec: 1 << 40},
		},
		{Op: sendstream.Write, Path: "f", Offset: 4096, Data: []byte("content")},
		{Op: sendstream.End},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestDecoderCut cuts a stream at every byte, and changes every byte.
func TestDecoderCut(t *testing.T) {
	whole := example()
	for n := range whole {
		if _, err := decode(whole[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
		damaged := bytes.Clone(whole)
		damaged[n] ^= 0x10
		if _, err := decode(damaged); err == nil {
			t.Errorf("byte %d changed, and nobody sees it", n)
		}
	}
}

func TestDecoderRefuses(t *testing.T) {
	path := sendtest.Attribute{Number: sendtest.Path, Value: "f"}
	tests := []struct {
		name, want string
		stream     []byte
	}{
		{"nothing", "unexpected EOF", nil},
		{"something else", "no btrfs send stream", bytes.Repeat([]byte("x"), 100)},
		{"version 0", "version 0", sendtest.Stream(0)},
		{"version 3", "version 3", sendtest.Stream(3)},
		{"a length", "more than any command", append(sendtest.Stream(1), "\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00"...)},
		{"command 0", "not known", sendtest.Command(sendtest.Stream(2), 0)},
		{"command 26", "not known", sendtest.Command(sendtest.Stream(2), 26)},
		{"command 65535", "not known", sendtest.Command(sendtest.Stream(2), 65535)},
		{"version 2 in 1", "not known in version 1", sendtest.Command(sendtest.Stream(1), sendstream.Fallocate, path)},
		{"missing", "attribute 16 is missing", sendtest.Command(sendtest.Stream(2), sendstream.Rename, path)},
		{"twice", "there twice", sendtest.Command(sendtest.Stream(2), sendstream.Mkdir, path, path)},
		{"unknown", "attribute 99", sendtest.Command(sendtest.Stream(2), sendstream.Mkdir, path,
			sendtest.Attribute{Number: 99, Value: ""})},
		{"beyond", "beyond its command", sendtest.Raw(sendtest.Stream(2), sendstream.Mkdir, []byte("\x0f\x00\xff\x00a"))},
		{"half", "beyond its command", sendtest.Raw(sendtest.Stream(2), sendstream.Mkdir, []byte("\x0f"))},
		{"no number", "no number", sendtest.Command(sendtest.Stream(2), sendstream.Truncate, path,
			sendtest.Attribute{Number: sendtest.Size, Value: uint32(1)})},
		{"no UUID", "no UUID", sendtest.Command(sendtest.Stream(2), sendstream.Subvol, path,
			sendtest.Attribute{Number: sendtest.UUID, Value: strings.Repeat("x", 17)})},
		{"no time", "no time", sendtest.Command(sendtest.Stream(2), sendstream.Utimes, path,
			sendtest.Attribute{Number: sendtest.Atime, Value: "x"})},
		{"two streams", "several subvolumes", append(example(), example()...)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := decode(test.stream)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(example())
	f.Add(sendtest.Stream(1))
	f.Fuzz(func(t *testing.T, stream []byte) {
		all, err := decode(stream)
		if err == nil && (len(all) == 0 || all[len(all)-1].Op != sendstream.End) {
			t.Error("a stream without an end is taken for whole")
		}
		for _, c := range all {
			if strings.HasPrefix(c.Op.String(), "command") {
				t.Errorf("%v is not known and was returned", c.Op)
			}
		}
	})
}

// FuzzCommand has every checksum right, so that more is reached.
func FuzzCommand(f *testing.F) {
	f.Add(uint16(sendstream.Mkdir), []byte("\x0f\x00\x01\x00a"), true)
	f.Fuzz(func(t *testing.T, op uint16, payload []byte, old bool) {
		version := uint32(2)
		if old {
			version = 1
		}
		all, err := decode(sendtest.Raw(sendtest.Stream(version), sendstream.Op(op), payload))
		if err == nil && op != uint16(sendstream.End) {
			t.Error("a stream without an end is taken for whole")
		}
		if len(all) == 1 && len(all[0].Path)+len(all[0].To)+len(all[0].Data) > len(payload) {
			t.Error("more came out than there was")
		}
	})
}
