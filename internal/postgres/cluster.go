package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// ensureCluster finds the binaries and makes the cluster if there is none they can run.
func (p *Private) ensureCluster() error {
	bins := binaries()
	raw, err := os.ReadFile(filepath.Join(p.dir, "PG_VERSION"))
	if err == nil {
		major := strings.TrimSpace(string(raw))
		if bin, ok := bins[major]; ok {
			p.bin = bin
			return nil
		}
		p.log.Warn("postgres: the cluster's version is not installed any more; making a new one, which is filled again from the log", "version", major)
		if len(bins) == 0 {
			return ErrNoBinaries
		}
		if err := os.RemoveAll(p.dir); err != nil {
			return err
		}
	}
	if len(bins) == 0 {
		return ErrNoBinaries
	}
	majors := make([]string, 0, len(bins))
	for m := range bins {
		majors = append(majors, m)
	}
	sort.Slice(majors, func(i, j int) bool { return atoi(majors[i]) > atoi(majors[j]) })
	p.bin = bins[majors[0]]
	return p.initdb()
}

// initdb makes the cluster beside its place and moves it there, so that a crash in between leaves nothing half made.
func (p *Private) initdb() error {
	fresh := p.dir + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	if err := os.Chown(fresh, p.uid, p.gid); err != nil {
		return err
	}
	// trust: who reaches the socket in its 0700 folder is us.
	cmd := exec.Command(filepath.Join(p.bin, "initdb"), "--pgdata="+fresh, "--username=cis", "--auth=trust",
		"--encoding=UTF8", "--locale=C.UTF-8", "--lc-collate=C", "--no-instructions", "--no-sync")
	p.asUser(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.Rename(fresh, p.dir)
}

// binaries maps the installed major versions to their folders.
func binaries() map[string]string {
	found := map[string]string{}
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
		if err != nil {
			continue
		}
		if fields := strings.Fields(string(out)); len(fields) >= 3 { // postgres (PostgreSQL) 15.18 (Debian …)
			major, _, _ := strings.Cut(fields[2], ".")
			found[major] = dir
		}
	}
	return found
}
