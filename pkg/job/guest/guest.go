// Package guest runs in a virtual machine what "freshroot ci run" asks for, and reports.
//
// It is the guest's side of package job; see there for what is said. It runs commands as
// whoever runs it, which is root, and believes the host, which has all of the machine
// anyway. It refuses jobs that package job refuses.
package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/freshroot/freshroot/pkg/job"
)

// Serve runs one job and reports over port. credential is the encoded job, or empty if the
// host has to be asked for it. What goes wrong is reported, and returned.
func Serve(ctx context.Context, port io.ReadWriter, credential []byte) error {
	s := &session{port: port}
	err := s.serve(ctx, credential)
	if err != nil {
		return errors.Join(err, s.send(job.Fail, []byte(err.Error())))
	}
	return nil
}

// session writes frames from several goroutines.
type session struct {
	mu   sync.Mutex
	port io.ReadWriter
}

func (s *session) serve(ctx context.Context, credential []byte) error {
	j, err := s.job(credential)
	if err != nil {
		return err
	}
	for _, c := range j.In {
		if err := copyIn(ctx, c); err != nil {
			return err
		}
	}
	stderr := s.writer(job.Stderr)
	status, err := run(ctx, j.Argv, s.writer(job.Stdout), stderr)
	if err != nil {
		return err
	}
	if err := copyAllOut(ctx, j.Out); err != nil && status == 0 {
		return err
	} else if err != nil {
		// It was the command that failed: no wonder that it made nothing.
		fmt.Fprintf(stderr, "freshroot ci: %v\n", err)
	}
	return s.send(job.Exit, []byte(strconv.Itoa(status)))
}

// job says that we are up, and gets the job.
func (s *session) job(credential []byte) (job.Job, error) {
	if len(credential) > 0 {
		if err := s.send(job.Hello, []byte(job.Version)); err != nil {
			return job.Job{}, err
		}
		return job.Decode(credential)
	}
	if err := s.send(job.Want, []byte(job.Version)); err != nil {
		return job.Job{}, err
	}
	f, err := job.ReadFrame(s.port)
	if err != nil {
		return job.Job{}, fmt.Errorf("get job: %w", err)
	}
	if f.Kind != job.Run {
		return job.Job{}, fmt.Errorf("get job: the host says %q", f.Kind)
	}
	return job.Decode(f.Data)
}

// send sends a frame.
func (s *session) send(k job.Kind, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := job.WriteFrame(s.port, job.Frame{Kind: k, Data: data}); err != nil {
		return fmt.Errorf("report to the host: %w", err)
	}
	return nil
}

// writer makes a frame of each write. The copying of package exec writes 32 KiB at most.
func (s *session) writer(k job.Kind) io.Writer { return stream{s, k} }

type stream struct {
	session *session
	kind    job.Kind
}

// Write sends p, which is no larger than a frame.
func (w stream) Write(p []byte) (int, error) {
	if err := w.session.send(w.kind, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
