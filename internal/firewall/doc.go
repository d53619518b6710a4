// Package firewall filters the packets of one network card as security groups
// do: rules allow, what no rule allows is dropped, and what belongs to traffic
// that was allowed passes in both directions without being asked again.
//
// A [Guard] is the [vnet.Policy] of a port. Its [Rules] are compiled once and
// replaced as a whole; groups that rules refer to are [Group] values whose
// members change under the rules. Both take effect with the next packet.
//
// What passes:
//
//   - A packet of a flow that is known: the opener's or the reply. A flow is
//     known by protocol and both ends; of ICMP by the other address and the
//     identifier of the echo.
//   - A packet that a rule of its direction allows. It opens a flow.
//   - An ICMP error that quotes a packet of a known flow which the receiver of
//     the error sent.
//   - A later fragment of a packet whose first fragment passed. A later
//     fragment that comes before the first is dropped.
//   - TCP from the gateway, which is traffic to a public address: who its real
//     client is was asked before, by [Rules.Admits].
//
// Taking a rule away stops new connections and one-sided traffic at once.
// Connections that were established, which is TCP after the handshake and UDP
// that was answered, go on until they end or fall silent, as in EC2. A segment
// from the middle of a connection that is not known, as after a restart of
// this process, is judged by the rules and opens a flow like any other.
//
// Memory is bounded for each guard, separately for flows that the guest opened
// and flows opened to it: a flood from outside cannot take away the memory of
// what the guest itself opened. When it is used up, the flow least worth
// keeping is forgotten: one that is closing, then one that was not answered,
// and the longest silent of those. A forgotten flow is judged by the rules
// again; nothing that a rule allows is ever dropped for lack of memory.
package firewall
