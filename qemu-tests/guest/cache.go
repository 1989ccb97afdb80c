package guest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/freshroot/freshroot/pkg/device"
)

// CacheDir returns the directory that built trees are kept in, and makes it.
func CacheDir() (string, error) {
	dir := os.Getenv("FRESHROOT_CACHE")
	if dir == "" {
		top, err := checkout()
		if err != nil {
			return "", fmt.Errorf("find cache (set FRESHROOT_CACHE): %w", err)
		}
		dir = filepath.Join(top, ".cache")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	return filepath.Abs(dir)
}

// checkout finds the directory with go.mod at or above the current one: tests run
// in the directory of their package.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the current directory")
		}
		dir = parent
	}
}

// cached returns the directory that build has filled for this name and recipe, in
// this run or an earlier one. It is renamed into place when complete, so that
// nobody sees half of it. Others who need it meanwhile wait at a lock.
func cached(name string, recipe []string, build func(dir string) error) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name+"-"+hash(recipe))
	unlock, err := lock(filepath.Join(cache, name+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := removeStale(cache, name); err != nil {
		return "", err
	}
	if err := buildInto(dir, build); err != nil {
		return "", fmt.Errorf("build guest %s: %w", name, err)
	}
	return dir, nil
}

// buildInto fills a directory beside dir and renames it to dir.
func buildInto(dir string, build func(dir string) error) error {
	tmp := dir + ".new"
	err := os.Mkdir(tmp, 0o755)
	if err == nil {
		err = build(tmp)
	}
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return nil
}

// removeStale drops what an older recipe built and what a killed build left.
func removeStale(cache, name string) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	for _, e := range entries {
		// Only what ends in a key is ours: names may begin with each other.
		key, ok := strings.CutPrefix(strings.TrimSuffix(e.Name(), ".new"), name+"-")
		if _, err := hex.DecodeString(key); !ok || err != nil {
			continue
		}
		if err := os.RemoveAll(filepath.Join(cache, e.Name())); err != nil {
			return fmt.Errorf("remove stale guest: %w", err)
		}
	}
	return nil
}

// hash makes a key of the parts of a recipe.
func hash(recipe []string) string {
	h := sha256.New()
	for _, part := range recipe {
		// The length keeps ("ab", "c") apart from ("a", "bc").
		fmt.Fprintf(h, "%d:", len(part))
		io.WriteString(h, part)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// sources returns the Go code below directories of the checkout, without the tests, for
// the recipes of what it makes.
func sources(dirs ...string) (texts []string, err error) {
	top, err := checkout()
	if err != nil {
		return nil, err
	}
	read := func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		texts = append(texts, string(text))
		return err
	}
	for _, dir := range dirs {
		if err := filepath.WalkDir(filepath.Join(top, dir), read); err != nil {
			return nil, fmt.Errorf("read sources: %w", err)
		}
	}
	return texts, nil
}

// lock takes an exclusive lock on a file, which the kernel drops if we die.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := device.Lock(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// run runs a program; the error has what it printed.
func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
