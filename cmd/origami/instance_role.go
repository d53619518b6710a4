package main

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"origami"
	"origami/internal/iam"
	"origami/internal/imds"
)

// instanceRoles hands instances credentials of their roles, and keeps them
// until they are about to expire: a guest asks often.
type instanceRoles struct {
	accounts *iam.Service
	now      func() time.Time

	mu   sync.Mutex
	kept map[instanceRole]imds.Credentials // guarded by mu
}

// instanceRole is whose credentials are kept, and how they are delivered.
type instanceRole struct {
	instance origami.InstanceID
	role     string // ID
	delivery string
}

// freshFor is how long credentials that are handed out must still live.
const freshFor = 30 * time.Minute

// find completes an instance with the role that its profile hands it now.
func (r *instanceRoles) find(ctx context.Context, i *imds.Instance) error {
	role, err := r.accounts.InstanceRole(ctx, &i.Instance)
	if i.ProfileGone = errors.Is(err, &origami.Error{Code: "NoSuchEntity"}); i.ProfileGone {
		return nil
	}
	if err != nil || role == nil {
		return err
	}
	i.Role = &imds.Role{Name: role.Name, Credentials: func(delivery string) (imds.Credentials, error) {
		return r.credentials(ctx, instanceRole{i.ID, role.ID, delivery}, &i.Instance)
	}}
	return nil
}

// credentials are those that are kept, or new ones.
func (r *instanceRoles) credentials(ctx context.Context, which instanceRole, i *origami.Instance) (imds.Credentials, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if c := r.kept[which]; now.Add(freshFor).Before(c.Expires) {
		return c, nil
	}
	t, err := r.accounts.AssumeForInstance(ctx, which.role, i, which.delivery)
	if errors.Is(err, &origami.Error{Code: "AccessDenied"}) {
		err = errors.Join(imds.ErrNotTrusted, err)
	}
	if err != nil {
		return imds.Credentials{}, err
	}
	c := imds.Credentials{
		AccessKey: t.AccessKey, Secret: t.Secret, Token: t.Token, Updated: t.Expires.Add(-iam.InstanceSession), Expires: t.Expires,
	}
	maps.DeleteFunc(r.kept, func(_ instanceRole, c imds.Credentials) bool { return !now.Before(c.Expires) })
	r.kept[which] = c
	return c, nil
}
