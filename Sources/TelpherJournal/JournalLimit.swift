/// The limits of journals.
package enum JournalLimit {
  /// The bytes of one journal if nothing else is asked for: 64 MiB, some 800,000 lines of 80
  /// characters. That is more than a person reads, and little on the disk of a build machine.
  package static let defaultBytes: UInt64 = 64 << 20
  /// The smallest journal: 8 segments of the smallest size, so that `drop_oldest` always keeps most.
  package static let minimumBytes: UInt64 = 1 << 20
  /// The largest journal: 1 TiB in 16,384 segments. A reader lists the segments after each one that
  /// it has read, which takes 10 ms.
  package static let maximumBytes: UInt64 = 1 << 40
  /// The bytes of all journals of one folder if nothing else is asked for: 4 GiB. That is room for
  /// 64 full journals of the default size, or for the first two segments of 2,048.
  package static let defaultTotalBytes: UInt64 = 4 << 30
  /// The longest record. Longer pieces are split, so that a reader needs room for only this much:
  /// it must check a record before it passes any of it on.
  package static let recordBytes = 64 << 10
  /// The journals that one budget counts: it reads 32 bytes for each before a journal grows by a
  /// segment, here 512 KiB or 0.1 ms.
  package static let journals = 16_384

  /// A journal has 64 segments, so that dropping one loses little; but at least of two records, and
  /// at most of 64 MiB, which a reader may have to search for an offset: 30 ms.
  static func segmentBytes(journalBytes: UInt64) -> Int {
    Int(min(max(journalBytes / 64, smallestSegment), largestSegment))
  }
  static let smallestSegment: UInt64 = 128 << 10
  static let largestSegment: UInt64 = 64 << 20

  /// A segment with less room than this is full: a shorter record would be mostly header.
  static let leastRoom = 4096

  /// A reader reads this much at once: a whole record and the beginning of the next.
  static let readBytes = 128 << 10

  /// How often a reader looks for the next segment if each that it finds is dropped before it opens
  /// it. After that it reports that it waits, and its caller asks again.
  static let lookups = 16
}
