package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"origami"
	"origami/internal/endpoint"
	"origami/internal/localserver"
	"origami/internal/vmie"
)

// auditLog appends a line for each request that changes something, before its
// answer goes out. It holds no parameters: they may be secret.
//
// Whoever rotates the file renames it; the next line begins a new one. Lines
// are written whole. They survive the death of the process; a loss of power may
// take the last ones.
type auditLog struct {
	path string
	keys askedKeys

	mu   sync.Mutex // guards file
	file *os.File
}

// auditRecord is a line of the audit log.
type auditRecord struct {
	Time      time.Time         `json:"time"`
	Request   string            `json:"requestId"`
	Account   origami.AccountID `json:"accountId"`
	Principal string            `json:"principal"`
	AccessKey string            `json:"accessKeyId"`
	Region    origami.Region    `json:"region"`
	Service   string            `json:"service"`
	Action    string            `json:"action"`
	Resources []string          `json:"resources"`
	Source    string            `json:"source"` // "@uid=…,pid=…" is a process at the local socket
	Agent     string            `json:"userAgent"`
	Outcome   string            `json:"outcome"` // success, refused, dry-run or error
	Status    int               `json:"status"`
	Code      origami.Code      `json:"errorCode,omitempty"`
}

// openAudit opens the audit log, so that a path which cannot be written is
// found out at once.
func openAudit(path string) (*auditLog, error) {
	a := &auditLog{path: path}
	if err := a.reopen(); err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	return a, nil
}

// reopen opens the file of the log's name if that is not the one in hand.
func (a *auditLog) reopen() error {
	now, err := os.Stat(a.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && a.file != nil {
		if has, err := a.file.Stat(); err == nil && os.SameFile(has, now) {
			return nil
		}
	}
	f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if a.file != nil {
		a.file.Close() // every line in it was written
	}
	a.file = f
	return nil
}

// add writes the line of a call that changes something.
func (a *auditLog) add(c endpoint.Call) error {
	if readOnly(c.Service, c.Action) {
		return nil
	}
	return a.write(auditRecord{
		Time: c.Start.UTC(), Request: c.Caller.Request, Account: c.Caller.Account, Principal: c.Caller.ARN,
		AccessKey: c.Caller.AccessKey, Region: c.Caller.Region, Service: c.Service, Action: c.Action,
		Resources: append(append([]string{}, c.Resources...), a.keys.keys(c.Caller.Request)...), Source: c.Remote, Agent: short(c.Agent),
		Outcome: outcome(c.Status, c.Code), Status: c.Status, Code: c.Code,
	})
}

// addOperator writes the line of what the operator asked for.
func (a *auditLog) addOperator(c localserver.OperatorCall) error {
	return a.write(auditRecord{
		Time: c.Start.UTC(), Request: c.Request, Account: c.Account, Principal: c.Principal, Service: localserver.Service, Action: c.Action,
		Resources: c.Resources, Source: c.Source, Agent: "origami/" + version, Outcome: outcome(c.Status(), c.Code), Status: c.Status(), Code: c.Code,
	})
}

// write appends a line.
func (a *auditLog) write(r auditRecord) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.reopen(); err != nil {
		return err
	}
	_, err = a.file.Write(append(line, '\n'))
	return err
}

func (a *auditLog) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.file.Close()
}

// readOnly says whether an action changes nothing, and is not worth a line.
// What reads the bytes of disks and consoles through the socket is; what imports them has its line from
// auditedImporter, since its answer begins before its outcome is known.
func readOnly(service, action string) bool {
	if service == localserver.Service {
		return "/"+action != localserver.MountPath && "/"+action != localserver.ConsolePath
	}
	if action == "GetSnapshotBlock" {
		return false
	}
	for _, verb := range []string{"Describe", "Get", "List", "Search"} {
		if strings.HasPrefix(action, verb) {
			return true
		}
	}
	return false
}

// outcome tells how a call ended.
func outcome(status int, code origami.Code) string {
	switch {
	case code == origami.CodeDryRunOperation:
		return "dry-run"
	case status >= 500:
		return "error"
	case code != "" || status >= 400:
		return "refused"
	}
	return "success"
}

// auditedImporter writes the lines of imports.
type auditedImporter struct {
	localserver.Importer
	log *auditLog
}

// ImportDisk imports, and has the line written before the client hears of the
// image.
func (i auditedImporter) ImportDisk(ctx context.Context, who origami.Caller, r vmie.Request, src io.ReaderAt, size int64, progress func(vmie.Progress)) (*origami.Image, error) {
	rec := auditRecord{
		Time: time.Now().UTC(), Request: who.Request, Account: who.Account, Principal: who.ARN, AccessKey: who.AccessKey,
		Region: who.Region, Service: localserver.Service, Action: strings.Trim(localserver.ImportPath, "/"),
		Resources: []string{}, Source: localserver.Peer(ctx), Status: http.StatusOK,
	}
	img, err := i.Importer.ImportDisk(ctx, who, r, src, size, progress)
	var refused *origami.Error
	switch {
	case errors.As(err, &refused):
		rec.Code = refused.Code
	case err != nil:
		rec.Code = origami.CodeInternalError
	default:
		rec.Resources = append(rec.Resources, string(img.ID))
		rec.Resources = append(rec.Resources, i.log.keys.keys(who.Request)...)
		for _, id := range img.Snapshots() {
			rec.Resources = append(rec.Resources, string(id))
		}
	}
	if rec.Code != "" {
		rec.Status = rec.Code.Status()
	}
	rec.Outcome = outcome(rec.Status, rec.Code)
	if auditErr := i.log.write(rec); auditErr != nil {
		return nil, fmt.Errorf("audit the import: %w", errors.Join(auditErr, err))
	}
	return img, err
}

// importer is what imports, audited if there is an audit log.
func (s *service) importer() localserver.Importer {
	if s.audit == nil {
		return s.vmie
	}
	return auditedImporter{s.vmie, s.audit}
}

// short bounds what a client says of itself.
func short(s string) string {
	const limit = 256
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// openAudit opens the audit log if there is to be one.
func (s *service) openAudit() error {
	if s.o.audit == "" {
		return nil
	}
	var err error
	s.audit, err = openAudit(s.o.audit)
	return err
}
