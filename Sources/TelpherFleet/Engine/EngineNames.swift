/// The id of a job: 128 bits, which the submitter makes at random. In text 32 lowercase hexadecimal
/// digits, as for other jobs.
package struct JobID: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The 32 digits.
  package let description: String

  /// An id from its 32 digits; nil if the text is something else.
  package init?(_ text: String) {
    let isDigit = { (byte: UInt8) in
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
    guard text.utf8.count == 32, text.utf8.allSatisfy(isDigit) else { return nil }
    description = text
  }

  /// An id from 16 bytes.
  package init(bytes: some Collection<UInt8>) {
    precondition(bytes.count == 16, "an id has 16 bytes")
    description = bytes.reduce(into: "") { text, byte in
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
  }

  /// A new random id.
  package static func random() -> JobID {
    var generator = SystemRandomNumberGenerator()
    return JobID(bytes: (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
  }

  package static func < (a: JobID, b: JobID) -> Bool { a.description < b.description }
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
