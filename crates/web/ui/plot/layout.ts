// Where the plots lie: the same in every panel, or the crosshair would break between them.

/** Width of the value axis. */
export const GUTTER_PX = 76;
/** Air on the right. */
export const RIGHT_PX = 12;
