package metadb

import (
	"database/sql"
	"iter"
	"time"

	"origami"
)

var imageUsageReports = &table[origami.ImageUsageReport]{
	name: "image_usage_reports",
	doc:  documentOf[origami.ImageUsageReport](),
	key: func(r *origami.ImageUsageReport) (origami.Region, string, origami.AccountID) {
		return r.Region, string(r.ID), r.Owner
	},
	columns: []string{"image", "expires"},
	values:  func(r *origami.ImageUsageReport) []any { return []any{string(r.Image), micros(r.Expires)} },
	filters: map[string]filter{"image-id": {column: "image", selective: true}},
}

// PutImageUsageReport inserts a report on the use of an image.
func (tx *Tx) PutImageUsageReport(r *origami.ImageUsageReport) error {
	return imageUsageReports.put(tx, r)
}

// ImageUsageReport is viewer's usage report, or
// InvalidImageUsageReportId.NotFound.
func (tx *Tx) ImageUsageReport(region origami.Region, viewer origami.AccountID, id origami.ImageUsageReportID) (*origami.ImageUsageReport, error) {
	return imageUsageReports.get(tx, region, viewer, string(id))
}

// DeleteImageUsageReport removes a usage report.
func (tx *Tx) DeleteImageUsageReport(region origami.Region, id origami.ImageUsageReportID) error {
	return imageUsageReports.remove(tx, region, string(id))
}

// ImageUsageReports yields the usage reports that q selects, by ID.
func (tx *Tx) ImageUsageReports(q Query) iter.Seq2[*origami.ImageUsageReport, error] {
	return imageUsageReports.list(tx, q)
}

// ExpiredImageUsageReports lists at most limit reports of all accounts and
// regions that expire at t or before.
func (tx *Tx) ExpiredImageUsageReports(t time.Time, limit int) ([]*origami.ImageUsageReport, error) {
	return collect(tx, imageUsageReports.scanDoc, `SELECT doc FROM image_usage_reports WHERE expires <= ? ORDER BY expires LIMIT ?`, micros(t), limit)
}

// ImageOf is who uses an image how often.
type ImageOf struct {
	Account origami.AccountID
	Count   int64
}

// CountImageInstances counts the instances of an image that are not
// terminated, by account.
func (tx *Tx) CountImageInstances(region origami.Region, image origami.ImageID) ([]ImageOf, error) {
	return collect(tx, func(r *sql.Rows) (ImageOf, error) {
		var i ImageOf
		return i, r.Scan(&i.Account, &i.Count)
	}, `SELECT owner, COUNT(*) FROM instances WHERE region = ? AND image = ? AND state <> 'terminated' GROUP BY owner ORDER BY owner`,
		string(region), string(image))
}
