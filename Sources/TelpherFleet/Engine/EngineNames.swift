/// The id of a job: 128 bits, which the submitter makes at random. In text 32 lowercase hexadecimal
/// digits, as for other jobs.
package struct JobID: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The first and the last 64 bits.
  private let first: UInt64
  private let last: UInt64

  /// An id from its 32 digits; nil if the text is something else.
  package init?(_ text: String) {
    var parts: [UInt64] = [0, 0]
    var count = 0
    for byte in text.utf8 {
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      default: return nil
      }
      guard count < 32 else { return nil }
      parts[count / 16] = parts[count / 16] << 4 | UInt64(digit)
      count += 1
    }
    guard count == 32 else { return nil }
    (first, last) = (parts[0], parts[1])
  }

  /// An id from 16 bytes.
  package init(bytes: some Collection<UInt8>) {
    precondition(bytes.count == 16, "an id has 16 bytes")
    first = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    last = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// A new random id.
  package static func random() -> JobID {
    var generator = SystemRandomNumberGenerator()
    return JobID(bytes: (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
  }

  /// The 16 bytes.
  package var bytes: [UInt8] {
    [first, last].flatMap { part in (0..<8).map { UInt8(truncatingIfNeeded: part >> (56 - 8 * $0)) }
    }
  }

  package var description: String {
    [first, last].map { part in
      let digits = String(part, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }

  package static func < (a: JobID, b: JobID) -> Bool { (a.first, a.last) < (b.first, b.last) }
}

/// The name of a worker or of a group: 1 to 64 ASCII letters, digits, `_` and `-`, the first a letter or
/// digit. So it is one part of a broker's subject, and of a path.
package struct FleetName: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The name's text.
  package let description: String

  /// A name; nil if the text is none.
  package init?(_ text: String) {
    let isAlphanumeric = { (byte: UInt8) in
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    guard (1...FleetLimits.maxNameLength).contains(text.utf8.count),
      let first = text.utf8.first, isAlphanumeric(first),
      text.utf8.allSatisfy({
        isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
      })
    else { return nil }
    description = text
  }

  package static func < (a: FleetName, b: FleetName) -> Bool { a.description < b.description }
}

/// The name of a worker.
package typealias WorkerName = FleetName

/// Where jobs wait: the queue of a group, from which any worker of the group takes them, or of one
/// worker.
package enum QueueName: Sendable, Hashable, Comparable, CustomStringConvertible {
  case group(FleetName)
  case worker(WorkerName)

  /// A queue from its text, `NAME` for a group or `@NAME` for a worker; nil if it is neither.
  package init?(_ text: String) {
    if text.utf8.first == UInt8(ascii: "@") {
      guard let name = WorkerName(String(text.dropFirst())) else { return nil }
      self = .worker(name)
    } else {
      guard let name = FleetName(text) else { return nil }
      self = .group(name)
    }
  }

  package var description: String {
    switch self {
    case .group(let name): name.description
    case .worker(let name): "@\(name)"
    }
  }
}
