package job

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Kind says what a frame is.
type Kind byte

// The kinds of frames.
const (
	Hello  Kind = 'h' // of the guest: it is up and has the job; data is Version
	Want   Kind = 'w' // of the guest: it is up and asks for the job; data is Version
	Run    Kind = 'r' // of the host: data is the job, see [Job.Encode]
	Stdout Kind = 'o' // of the guest: data is what the command has written
	Stderr Kind = 'e' // likewise
	Exit   Kind = 'x' // of the guest: data is the status of the command, in decimal
	Fail   Kind = 'f' // of the guest: data says why there is no status
)

const (
	// Version is that of the protocol.
	Version = "1"
	// MaxFrame is how many bytes of data a frame may have.
	MaxFrame = 1 << 20

	headerSize = 5
)

// Frame is a message.
type Frame struct {
	Kind Kind
	Data []byte
}

// ReadFrame reads the next frame. At the end of the stream it returns io.EOF, within a frame
// io.ErrUnexpectedEOF.
func ReadFrame(r io.Reader) (Frame, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{Kind: Kind(header[0])}
	if !f.Kind.known() {
		return Frame{}, fmt.Errorf("read frame: unknown kind %q", header[0])
	}
	size := binary.BigEndian.Uint32(header[1:])
	if size > MaxFrame {
		return Frame{}, fmt.Errorf("read frame: %d bytes, more than %d", size, MaxFrame)
	}
	f.Data = make([]byte, size)
	if _, err := io.ReadFull(r, f.Data); err == io.EOF {
		return Frame{}, io.ErrUnexpectedEOF // the header promised data
	} else if err != nil {
		return Frame{}, err
	}
	return f, nil
}

// WriteFrame writes a frame at once, so that those who write under one lock do not mix.
func WriteFrame(w io.Writer, f Frame) error {
	if len(f.Data) > MaxFrame {
		return fmt.Errorf("write frame: %d bytes, more than %d", len(f.Data), MaxFrame)
	}
	b := make([]byte, headerSize, headerSize+len(f.Data))
	b[0] = byte(f.Kind)
	binary.BigEndian.PutUint32(b[1:], uint32(len(f.Data)))
	_, err := w.Write(append(b, f.Data...))
	return err
}

func (k Kind) known() bool {
	switch k {
	case Hello, Want, Run, Stdout, Stderr, Exit, Fail:
		return true
	}
	return false
}
