package imds

import (
	"encoding/json"
	"fmt"
	"time"

	"origami"
)

// document is the instance identity document.
type document struct {
	AccountID        origami.AccountID    `json:"accountId"`
	Architecture     origami.Architecture `json:"architecture"`
	AvailabilityZone string               `json:"availabilityZone"`
	BillingProducts  []string             `json:"billingProducts"`
	DevpayCodes      []string             `json:"devpayProductCodes"`
	MarketplaceCodes []string             `json:"marketplaceProductCodes"`
	ImageID          origami.ImageID      `json:"imageId"`
	InstanceID       origami.InstanceID   `json:"instanceId"`
	InstanceType     string               `json:"instanceType"`
	KernelID         *string              `json:"kernelId"`
	PendingTime      string               `json:"pendingTime"`
	PrivateIP        string               `json:"privateIp"`
	RamdiskID        *string              `json:"ramdiskId"`
	Region           origami.Region       `json:"region"`
	Version          string               `json:"version"`
}

// document tells the identity document and its signatures. Its bytes are the
// same each time, so that a signature fits a document that was read before.
func (s *Server) document(i *Instance, n *node) error {
	doc, err := json.MarshalIndent(document{
		AccountID:        i.Owner,
		Architecture:     i.Architecture,
		AvailabilityZone: i.Zone,
		MarketplaceCodes: i.ProductCodes,
		ImageID:          i.Image,
		InstanceID:       i.ID,
		InstanceType:     i.Type,
		KernelID:         orNull(i.KernelID),
		PendingTime:      i.Launched.UTC().Format(time.RFC3339),
		PrivateIP:        addrText(i.PrivateIP),
		RamdiskID:        orNull(i.RamdiskID),
		Region:           i.Region,
		Version:          "2017-09-30",
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("identity document: %w", err)
	}
	n.put(string(doc), "document")
	if s.signer == nil {
		return nil
	}
	signature, pkcs7, err := s.signer.sign(doc)
	if err != nil {
		return fmt.Errorf("sign the identity document: %w", err)
	}
	n.put(signature, "signature")
	n.put(pkcs7, "pkcs7")
	n.put(pkcs7, "rsa2048")
	return nil
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
