package job

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
)

const (
	// Port is the name of the virtio-serial port.
	Port = "org.freshroot.ci"
	// Credential is the name of the credential that holds the job.
	Credential = "freshroot.job"
	// MaxCredential is how large a job, encoded, may be to go as a credential. What the
	// firmware's tables hold in all is 64 KiB, and others want some of it.
	MaxCredential = 8 << 10
)

// Job is a command, and the files that it needs and makes.
type Job struct {
	Argv []string `json:"argv"` // the program, looked up in PATH, and its arguments
	In   []Copy   `json:"in,omitempty"`
	Out  []Copy   `json:"out,omitempty"`
}

// Copy says that a disk of the machine holds a file or a directory of it, as a tar.
type Copy struct {
	Disk string `json:"disk"` // its serial
	Path string `json:"path"` // absolute; what is copied has this name in the guest
}

// Encode returns the job as JSON.
func (j Job) Encode() ([]byte, error) {
	if err := j.check(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("encode job: %w", err)
	}
	if len(b) > MaxFrame {
		return nil, fmt.Errorf("encode job: %d bytes, more than %d", len(b), MaxFrame)
	}
	return b, nil
}

// Decode reads a job. Fields that it does not know are an error: to leave out what was
// asked for would be worse.
func Decode(data []byte) (Job, error) {
	if len(data) > MaxFrame {
		return Job{}, fmt.Errorf("decode job: %d bytes, more than %d", len(data), MaxFrame)
	}
	var j Job
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return Job{}, fmt.Errorf("decode job: %w", err)
	}
	if d.More() {
		return Job{}, errors.New("decode job: more than one value")
	}
	return j, j.check()
}

// check refuses what cannot be executed.
func (j Job) check() error {
	if len(j.Argv) == 0 || j.Argv[0] == "" {
		return errors.New("check job: no command")
	}
	for _, arg := range j.Argv {
		if strings.ContainsRune(arg, 0) {
			return fmt.Errorf("check job: %q has a zero byte", arg)
		}
	}
	for _, c := range append(j.In[:len(j.In):len(j.In)], j.Out...) {
		if !path.IsAbs(c.Path) || path.Clean(c.Path) != c.Path || c.Path == "/" {
			return fmt.Errorf("check job: %q is no clean absolute path below /", c.Path)
		}
	}
	return nil
}

// SMBIOS is the string of type 11 that makes systemd in the guest have the encoded job as
// a credential.
func SMBIOS(encoded []byte) string {
	// Base64 has neither of the commas that QEMU would take apart.
	return "io.systemd.credential.binary:" + Credential + "=" +
		base64.StdEncoding.EncodeToString(encoded)
}
