internal import TelpherText

extension RelativePath: CustomStringConvertible {
  /// The path as displayed to the user: `.` for the root, or `/` if it was written that way.
  /// Other paths are escaped as in `ShownText.path`.
  package var description: String { written.isEmpty ? "." : ShownText.path(written) }
}
