package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"origami/internal/sigv4"
)

// client speaks as much of the EC2 API as the benchmarks need. It signs by
// itself, so that what is measured is the service and not an SDK.
type client struct {
	endpoint, region string
	cred             sigv4.Credentials

	// body is used again for each answer, so that what is measured is not the
	// garbage of this process.
	body bytes.Buffer
}

func newClient(_ context.Context, s *service) (*client, error) {
	return &client{
		endpoint: s.env["endpointUrl"], region: s.env["region"],
		cred: sigv4.Credentials{AccessKeyID: s.env["accessKeyId"], Secret: s.env["secretAccessKey"]},
	}, nil
}

// call makes one request, given as names and values in turn, and decodes the
// answer.
func (c *client) call(ctx context.Context, out any, action string, params ...string) error {
	b, err := c.raw(ctx, action, params...)
	if err != nil {
		return err
	}
	return xml.Unmarshal(b, out)
}

// raw is call that returns the answer as it is. It is valid until the next
// call.
func (c *client) raw(ctx context.Context, action string, params ...string) ([]byte, error) {
	form := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	body := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint+"/", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if err := sigv4.Sign(req, []byte(body), c.cred, c.region, "ec2", time.Now()); err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	c.body.Reset()
	if _, err := c.body.ReadFrom(resp.Body); err != nil {
		return nil, err
	}
	b := c.body.Bytes()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", action, resp.Status, b)
	}
	return b, nil
}

func (c *client) imageID(ctx context.Context, name string) (string, error) {
	var out struct {
		IDs []string `xml:"imagesSet>item>imageId"`
	}
	if err := c.call(ctx, &out, "DescribeImages", "Filter.1.Name", "name", "Filter.1.Value.1", name); err != nil {
		return "", err
	}
	if len(out.IDs) != 1 {
		return "", fmt.Errorf("%d images are named %s", len(out.IDs), name)
	}
	return out.IDs[0], nil
}

func (c *client) run(ctx context.Context, image string) (string, error) {
	var out struct {
		ID string `xml:"instancesSet>item>instanceId"`
	}
	err := c.call(ctx, &out, "RunInstances", "ImageId", image, "InstanceType", "t3.nano", "MinCount", "1", "MaxCount", "1")
	return out.ID, err
}

func (c *client) terminate(ctx context.Context, instance string) error {
	return c.call(ctx, new(struct{}), "TerminateInstances", "InstanceId.1", instance)
}

// await waits until an instance has a state.
func (c *client) await(ctx context.Context, instance, state string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		var out struct {
			State string `xml:"reservationSet>item>instancesSet>item>instanceState>name"`
		}
		if err := c.call(ctx, &out, "DescribeInstances", "InstanceId.1", instance); err != nil {
			return err
		}
		if out.State == state {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("instance %s is %s, not %s: %w", instance, out.State, state, ctx.Err())
		}
	}
}
