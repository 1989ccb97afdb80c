package source

import (
	"bufio"
	"context"
	"os"

	"github.com/freshroot/freshroot/pkg/sendstream/apply"
	"github.com/freshroot/freshroot/pkg/source/compress"
	"github.com/freshroot/freshroot/pkg/source/tree"
)

// unpackStream unpacks a btrfs send stream. A stream makes everything at the top and
// moves it from there, which cannot be done into a subvolume that exists. So it is made
// in a directory of its own, whose files then share their extents with the result.
func (s *Source) unpackStream(ctx context.Context, dir *os.File, o Options) (Stats, error) {
	path, err := os.MkdirTemp(procPath(dir), ".stream-")
	if err != nil {
		return Stats{}, err
	}
	defer os.RemoveAll(path)
	staged, err := os.Open(path)
	if err != nil {
		return Stats{}, err
	}
	defer staged.Close()
	made, err := s.receive(ctx, staged, o)
	if err != nil {
		return Stats{}, err
	}
	stats, err := copyTree(ctx, dir, staged, Options{Progress: func(int64) {}})
	stats.LostXattrs += made.LostXattrs
	if err != nil {
		return stats, err
	}
	return stats, tree.KeepTimes(dir, func() error { return os.RemoveAll(path) })
}

// receive makes the tree of the stream.
func (s *Source) receive(ctx context.Context, dir *os.File, o Options) (apply.Stats, error) {
	r, err := compress.NewReader(watch(ctx, s.reader(), o.Progress))
	if err != nil {
		return apply.Stats{}, err
	}
	defer r.Close()
	stats, err := apply.Apply(dir, bufio.NewReader(r))
	return stats, explain(err)
}
