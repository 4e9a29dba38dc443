internal import TelpherTransport

/// The segments that a journal has at the moment.
enum SegmentList {
  /// Their numbers, the lowest first.
  static func numbers(
    in folder: JournalFile, _ system: any JournalSystem
  ) throws(ErrorNumber) -> [UInt64] {
    try system.names(in: folder.descriptor).compactMap(Segment.number).sorted()
  }
}
