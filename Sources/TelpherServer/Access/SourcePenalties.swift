internal import TelpherLink
internal import TelpherWire

/// Penalties of source addresses whose connections do not authenticate. They grow with each failure
/// and fall with time; a source whose penalty is high is not served until it has fallen.
///
/// Addresses of this machine get none: there all users share one address.
struct SourcePenalties {
  /// What a connection has done instead of authenticating.
  enum Offense {
    /// It has ended, or was evicted.
    case left
    /// Its proof was wrong.
    case wrongProof
    /// It has used up its time.
    case tookTooLong

    /// The penalty in nanoseconds: those of OpenSSH (PerSourcePenalties: noauth, authfail,
    /// grace-exceeded).
    var penalty: UInt64 {
      switch self {
      case .left: 1_000_000_000
      case .wrongProof: 5_000_000_000
      case .tookTooLong: 10_000_000_000
      }
    }
  }

  /// The penalty from which on a source is not served, in nanoseconds: three wrong proofs, so that a
  /// mistake costs nothing.
  static let threshold: UInt64 = 15_000_000_000
  /// The longest penalty in nanoseconds: 10 minutes.
  static let longest: UInt64 = 600_000_000_000
  /// The most sources that are remembered. Beyond that, the source whose penalty ends first is
  /// forgotten.
  static let maxSources = 4_096

  /// When the penalties of each source are over, in nanoseconds of the loop's clock.
  private var ends: [String: UInt64] = [:]

  /// The number of sources that are remembered.
  var count: Int { ends.count }

  /// Adds the penalty of an offense at the time `now`.
  mutating func add(_ offense: Offense, of source: String, at now: UInt64) {
    let key = Self.key(source)
    if ends[key] == nil, ends.count >= Self.maxSources { forgetOne(at: now) }
    ends[key] = min(max(ends[key] ?? 0, now) + offense.penalty, now + Self.longest)
  }

  /// Ends the penalty of a source: a client from there has authenticated. Its first keys may have been
  /// wrong ones, since a client with many keys tries a few in each connection.
  mutating func forgive(_ source: String) { ends[Self.key(source)] = nil }

  /// Whether a source must not be served at the time `now`.
  func isPenalized(_ source: String, at now: UInt64) -> Bool {
    guard let end = ends[Self.key(source)] else { return false }
    return end >= now + Self.threshold
  }

  /// Makes room for another source.
  private mutating func forgetOne(at now: UInt64) {
    let over = ends.filter { $0.value <= now }.map(\.key)
    for key in over { ends[key] = nil }
    guard over.isEmpty, let first = ends.min(by: { $0.value < $1.value }) else { return }
    ends[first.key] = nil
  }

  /// The address, or of an IPv6 address the first 64 bits: one machine has as many addresses as it
  /// wants below these.
  static func key(_ source: String) -> String {
    guard source.contains(":"), !source.hasPrefix("::ffff:") else { return source }
    // Text of the system (RFC 5952): `::` stands for the longest run of zeros.
    let halves = source.split(separator: "%")[0].components(at: "::")
    var groups = halves[0].split(separator: ":")
    if halves.count == 2 {
      let last = halves[1].split(separator: ":")
      groups += Array(repeating: "0", count: max(0, 8 - groups.count - last.count)) + last
    }
    return groups.prefix(4).joined(separator: ":")
  }
}

extension SourcePenalties.Offense {
  /// The offense of a client whose connection has ended before it has authenticated.
  init(_ end: LinkEnd) {
    switch end {
    case .peerFault(let error) where error.code == .notAuthenticated: self = .wrongProof
    case .peerFault(let error) where error.code == .timeout: self = .tookTooLong
    default: self = .left
    }
  }
}

extension Substring {
  /// The parts before and after the first `separator`; one part if there is none.
  fileprivate func components(at separator: String) -> [Substring] {
    guard let range = firstRange(of: separator) else { return [self] }
    return [self[..<range.lowerBound], self[range.upperBound...]]
  }
}
