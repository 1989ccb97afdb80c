// Command program prints a manifest of each directory that it is given, a line per file.
package main

import (
	"fmt"
	"os"

	"github.com/freshroot/freshroot/qemu-tests/manifest"
)

func main() {
	for _, root := range os.Args[1:] {
		err := manifest.Walk(root, func(f manifest.File) error {
			_, err := fmt.Println(f)
			return err
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, "manifest:", err)
			os.Exit(1)
		}
	}
}
