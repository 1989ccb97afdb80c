package archive

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"

	"github.com/klauspost/compress/zstd"
)

// Compression is a way to compress an archive.
type Compression string

const (
	// Zstd is done here, and gives the same bytes everywhere. It is the default.
	Zstd Compression = "zstd"
	// Zstd19 runs the zstd program at its level 19. That is an eighth smaller, and
	// the bytes depend on the version of the program.
	Zstd19 Compression = "zstd-19"
	// None leaves the archive as it is.
	None Compression = "none"
)

// ParseCompression reads the name of a way to compress.
func ParseCompression(name string) (Compression, error) {
	switch how := Compression(name); how {
	case Zstd, Zstd19, None:
		return how, nil
	}
	return "", fmt.Errorf("compression %q is none of %s, %s and %s",
		name, Zstd, Zstd19, None)
}

// window is how far back a match may be. The kernel allocates as much to unpack, which
// has to fit the memory of a small board; more would save 0.1 %.
const window = 8 << 20

// compress returns the archive as it is written.
func compress(ctx context.Context, data []byte, how Compression) ([]byte, error) {
	switch how {
	case Zstd19:
		return runZstd(ctx, data)
	case None:
		return data, nil
	}
	// One thread: the cuts between several would depend on the machine.
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithWindowSize(window))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil), nil
}

func runZstd(ctx context.Context, data []byte) ([]byte, error) {
	var out, problems bytes.Buffer
	// Threads change the bytes. Level 19 has the window of above, and those beyond it
	// need more than that to unpack.
	cmd := exec.CommandContext(ctx, "zstd", "-q", "-19", "--single-thread")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("compress with zstd -19: %w %s", err,
			bytes.TrimSpace(problems.Bytes()))
	}
	return out.Bytes(), nil
}
