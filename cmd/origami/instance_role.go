package main

import (
	"context"
	"maps"
	"strings"
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

	mu   sync.Mutex
	kept map[instanceRole]imds.Credentials // guarded by mu
}

// instanceRole is whose credentials are kept.
type instanceRole struct {
	instance origami.InstanceID
	role     string // ID
}

// freshFor is how long credentials that are handed out must still live.
const freshFor = 30 * time.Minute

// of is the role that the profile of an instance hands it now.
func (r *instanceRoles) of(ctx context.Context, i *origami.Instance) (*imds.Role, error) {
	role, err := r.accounts.InstanceRole(ctx, i.Owner, i.Profile[strings.LastIndexByte(i.Profile, '/')+1:])
	if err != nil || role == nil {
		return nil, err
	}
	return &imds.Role{Name: role.Name, Credentials: func() (imds.Credentials, error) {
		return r.credentials(ctx, instanceRole{i.ID, role.ID})
	}}, nil
}

// credentials are those that are kept, or new ones.
func (r *instanceRoles) credentials(ctx context.Context, which instanceRole) (imds.Credentials, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if c := r.kept[which]; now.Add(freshFor).Before(c.Expires) {
		return c, nil
	}
	t, err := r.accounts.AssumeForInstance(ctx, which.role, which.instance)
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
