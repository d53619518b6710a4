package imds

import (
	"context"
	"net"
)

// hopLimiter is a connection that can say how many routers its packets may
// pass. Those of internal/vnet can.
type hopLimiter interface {
	SetTTL(hops int) error
}

type connKey struct{}

// connContext remembers the connection of a request.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if l, ok := c.(hopLimiter); ok {
		return context.WithValue(ctx, connKey{}, l)
	}
	return ctx
}

// limitHops makes the answer travel no further than the instance's options
// allow: with 1, the instance itself, but no container behind a bridge in it.
// The limit stays on the connection: who cannot get a token over it has no use
// for the rest. Connections that do not know hops, as in tests of the handler
// alone, have none to limit.
func limitHops(ctx context.Context, hops int) error {
	l, ok := ctx.Value(connKey{}).(hopLimiter)
	if !ok {
		return nil
	}
	return l.SetTTL(min(max(hops, 1), 64))
}
