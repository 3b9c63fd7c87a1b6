// Package plot draws the figures of a couples study from plain numbers: [PowerCurve], [Forest], [Trajectories] and [ControlChart], each a [Figure] that can be written as
// SVG or PNG.
//
// Series differ by lightness, dashes and the shape of their points, so that they can be told apart in grey and by people who do not see all colours. Text stays
// text in SVG, with the title as its accessible name. Axes carry units; there is nothing in a figure that is not read.
package plot
