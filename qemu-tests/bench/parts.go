package main

import "time"

// partNames are the parts of a boot, by which freshroot and the floor are compared.
var partNames = []string{
	"start, API file systems", "find the disk", "mount the pool", "pick",
	"assemble the root", "switch to it",
}

// parts are how long each of partNames took, modules left out.
type parts [6]time.Duration

// parts splits a boot up.
func (r *report) parts() (parts, error) {
	if r.Boot.Phases != nil {
		return r.freshParts()
	}
	return r.floorParts()
}

// freshParts takes the phases from boot.json. Its clock is not quite that of the
// kernel's log, so the message at the end of the pick tells how far they are apart.
func (r *report) freshParts() (p parts, err error) {
	for i, name := range []string{"early", "devices", "pool", "pick", "root"} {
		if p[i], err = took(r.Boot.Phases, name); err != nil {
			return p, err
		}
	}
	modules, err := r.moduleTime()
	if err != nil {
		return p, err
	}
	p[1] -= modules
	picked, err := r.find("freshroot: booting ")
	if err != nil {
		return p, err
	}
	begin, err := r.find(runInit)
	if err != nil {
		return p, err
	}
	// What the phases do not explain was before the first or after the last one.
	p[0] = picked.At - begin.At - p[1] - modules - p[2] - p[3]
	last, err := r.find(switched)
	p[5] = last.At - picked.At - p[4]
	return p, err
}

// floorParts takes the marks of the floor, which neither looks for a disk nor picks.
func (r *report) floorParts() (p parts, err error) {
	modules, err := r.moduleTime()
	if err != nil {
		return p, err
	}
	from := runInit
	for _, mark := range []struct {
		text string
		part int
	}{
		{"floor: main", 0}, {"floor: mounted", 2}, {"floor: assembled", 4}, {switched, 5},
	} {
		if p[mark.part], err = r.between(from, mark.text); err != nil {
			return p, err
		}
		from = mark.text
	}
	p[2] -= modules
	return p, nil
}
