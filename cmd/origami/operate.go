package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"origami/internal/iam"
	"origami/internal/kms"
	"origami/internal/localserver"
	"origami/internal/metadb"
)

// operate has something done about the accounts of a data directory, and
// decodes the answer into out, unless that is nil.
func operate(ctx context.Context, dir, action string, in, out any) error {
	d, err := absolute(dir)
	if err != nil {
		return err
	}
	return operator{dir: d}.do(ctx, action, in, out)
}

// operator has the service do what whoever runs it asks for, or does it itself
// while none runs. Either way there is one process at a time that does, and one
// audit log.
type operator struct {
	dir  dataDir
	keys func(context.Context, *metadb.DB) (*kms.Service, error) // if the service does not run; nil if keys are not needed
}

// do does an action, which the service must neither begin nor end to serve
// meanwhile.
func (o operator) do(ctx context.Context, action string, in, out any) error {
	for deadline := time.Now().Add(lockPatience); ; {
		if o.dir.serves() {
			client := localserver.Client{Socket: o.dir.socket()}
			err := client.Operate(ctx, action, in, out)
			if !notSent(err) || time.Now().After(deadline) {
				return plain(err)
			}
		} else {
			err := o.alone(ctx, action, in, out)
			if !errors.Is(err, errLocked) || time.Now().After(deadline) {
				return plain(err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockEvery):
		}
	}
}

// notSent reports whether a service was gone before it could be asked.
func notSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// alone does an action while no service runs. The error is errLocked if one
// starts or ends, or another command is at work.
func (o operator) alone(ctx context.Context, action string, in, out any) error {
	if err := o.dir.mine(); err != nil {
		return err
	}
	lock, err := o.dir.lock()
	if errors.Is(err, errLocked) {
		return fmt.Errorf("%w: another origami works on %s and does not answer; try again when it has ended", errLocked, o.dir)
	}
	if err != nil {
		return err
	}
	defer unlock(lock)
	db, err := o.dir.openDatabase(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	here := localserver.Operator{Accounts: iam.New(db), Keys: func(ctx context.Context) (*kms.Service, error) {
		if o.keys == nil {
			return nil, errors.New("the root key is not needed for this")
		}
		return o.keys(ctx, db)
	}}
	log, err := lastAudit(ctx, db)
	if err != nil {
		return err
	}
	if log != nil {
		defer log.close()
		here.Audit = log.addOperator
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := here.Do(ctx, action, body, localserver.Self())
	if err != nil || out == nil {
		return err
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, out)
}

// lastAudit opens the audit log that the service had when it last ran, if it
// had one.
func lastAudit(ctx context.Context, db *metadb.DB) (*auditLog, error) {
	var path []byte
	err := db.View(ctx, func(tx *metadb.Tx) (err error) {
		path, err = tx.Setting(settingAudit)
		return err
	})
	if errors.Is(err, metadb.ErrNotFound) || err == nil && len(path) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	log, err := openAudit(string(path))
	if err != nil {
		return nil, fmt.Errorf("nothing was changed: %w", err)
	}
	return log, nil
}
