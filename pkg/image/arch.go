package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/freshroot/freshroot/pkg/subvol"
)

// machines are the architectures that are told from each other, by what an ELF program
// says it is for.
var machines = map[elf.Machine]string{
	elf.EM_X86_64: "x86-64", elf.EM_386: "x86", elf.EM_AARCH64: "arm64", elf.EM_ARM: "arm",
	elf.EM_RISCV: "riscv64", elf.EM_PPC64: "ppc64-le", elf.EM_S390: "s390x",
	elf.EM_LOONGARCH: "loongarch64",
}

// maxPrograms bounds how many files are looked at to find a program.
const maxPrograms = 200

// otherArch wants programs of the architecture that the member is named after.
func (s *stage) otherArch(tree fs.FS) (Problem, error) {
	programs, err := fs.Glob(tree, "usr/bin/*")
	if err != nil {
		return Problem{}, err
	}
	programs = programs[:min(len(programs), maxPrograms)]
	for _, name := range append([]string{"usr/lib/systemd/systemd"}, programs...) {
		arch := archOf(tree, name)
		if arch == "" {
			continue
		}
		if arch == s.options.Usr.Arch {
			return Problem{}, nil
		}
		return Problem{
			fmt.Sprintf("it is of another architecture: %s is %s, not %s",
				path.Base(name), arch, s.options.Usr.Arch),
			fmt.Sprintf("build with --arch %s, or take another source", arch),
		}, nil
	}
	return Problem{}, nil // nothing but scripts
}

// archOf returns the architecture of a program, or "" for what is none.
func archOf(tree fs.FS, name string) string {
	f, err := tree.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	return elfArch(f)
}

// elfArch reads the first bytes of an ELF program (elf(5)): its machine is a number of 16
// bits behind the identification and the type.
func elfArch(r io.Reader) string {
	head := make([]byte, 20)
	if _, err := io.ReadFull(r, head); err != nil || !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	return subvol.CanonicalArch(machines[elf.Machine(order.Uint16(head[18:]))])
}
