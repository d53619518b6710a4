package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/localserver"
	"origami/internal/metadb"
)

// sshPort is the port of instances that people ask for.
const sshPort = 22

func instancesCommand() *cobra.Command {
	var t target
	var all bool
	c := &cobra.Command{
		Use:     "instances",
		Short:   "List instances",
		Long:    "List the instances of an account. SSH is where the port 22 of an instance is served\non this host: another port than 22 where the service may not use that.",
		Example: "  origami instances --data-dir ~/origami",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return list(c.Context(), &t, c.OutOrStdout(), func(v *view) ([]instanceRow, error) {
				return v.instances(c.Context(), t.addresses(c.Context()), all)
			}, func(w io.Writer, rows []instanceRow) error { return printInstances(w, rows, time.Now()) })
		},
	}
	t.flags(c, true)
	c.Flags().BoolVar(&all, "all", false, "also terminated instances")
	return c
}

// instanceRow is an instance in a list.
type instanceRow struct {
	ID        origami.InstanceID    `json:"instanceId"`
	Name      string                `json:"name"`
	State     origami.InstanceState `json:"state"`
	Reason    string                `json:"stateReason,omitempty"`
	Type      string                `json:"instanceType"`
	Image     origami.ImageID       `json:"imageId"`
	KeyName   string                `json:"keyName,omitempty"`
	Zone      string                `json:"availabilityZone"`
	PrivateIP string                `json:"privateIp"`
	PublicIP  string                `json:"publicIp,omitempty"`
	SSH       string                `json:"ssh,omitempty"` // address and port on this host
	Ports     []localserver.Address `json:"ports"`
	Launched  time.Time             `json:"launched"`
	Tags      origami.Tags          `json:"tags"`
}

// addresses asks the running service where instances are served, and returns
// nil if none runs.
func (t *target) addresses(ctx context.Context) map[origami.InstanceID][]localserver.Address {
	c, err := t.client(ctx)
	if err != nil {
		return nil
	}
	a, err := c.Addresses(ctx)
	if err != nil {
		return nil
	}
	return a.Instances
}

// instances lists the instances of the account, the latest first.
func (v *view) instances(ctx context.Context, served map[origami.InstanceID][]localserver.Address, all bool) ([]instanceRow, error) {
	rows := []instanceRow{}
	err := v.db.View(ctx, func(tx *metadb.Tx) error {
		var ids []string
		for i, err := range tx.Instances(v.query()) {
			if err != nil {
				return err
			}
			if i.State == origami.InstanceTerminated && !all {
				continue
			}
			rows, ids = append(rows, newInstanceRow(i, served[i.ID])), append(ids, string(i.ID))
		}
		tags, err := tx.Tags(v.who.Region, v.who.Account, ids...)
		for i := range rows {
			rows[i].Tags = orEmpty(tags[string(rows[i].ID)])
			rows[i].Name = rows[i].Tags["Name"]
		}
		return err
	})
	slices.SortStableFunc(rows, func(a, b instanceRow) int { return b.Launched.Compare(a.Launched) })
	return rows, err
}

func newInstanceRow(i *origami.Instance, ports []localserver.Address) instanceRow {
	r := instanceRow{
		ID: i.ID, State: i.State, Type: i.Type, Image: i.Image, KeyName: i.KeyName, Zone: i.Zone,
		PrivateIP: addressText(i.PrivateIP), PublicIP: addressText(i.PublicIP), Launched: i.Launched,
		Ports: append([]localserver.Address{}, ports...),
	}
	if i.StateReason != nil {
		r.Reason = i.StateReason.Message
	}
	if at, ok := served(ports, sshPort); ok {
		r.SSH = at.String()
	}
	return r
}

// served finds where a port of an instance is served.
func served(ports []localserver.Address, port uint16) (netip.AddrPort, bool) {
	for _, a := range ports {
		if a.Port == port {
			return a.Listen, true
		}
	}
	return netip.AddrPort{}, false
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func printInstances(w io.Writer, rows []instanceRow, now time.Time) error {
	t := newTable(w, "INSTANCE", "NAME", "STATE", "TYPE", "IMAGE", "ADDRESS", "SSH", "UPTIME")
	for _, r := range rows {
		uptime := ""
		if r.State == origami.InstanceRunning {
			uptime = durationText(now.Sub(r.Launched))
		}
		t.row(r.ID, r.Name, r.State, r.Type, r.Image, r.PublicIP, r.SSH, uptime)
	}
	return t.end()
}

// durationText writes a duration for people: its two largest units.
func durationText(d time.Duration) string {
	d = max(d, 0)
	days, hours, minutes := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm%ds", minutes, int(d.Seconds())%60)
	}
	return fmt.Sprintf("%ds", int(d.Seconds()))
}
