internal import TelpherJSON

/// The contents of a file of host keys in OpenSSH's format (sshd(8), SSH_KNOWN_HOSTS).
///
///     [@marker] names type base64 [comment]
///
/// A host with another port than 22 is written `[host]:port`. Names are patterns, or one hashed name.
package struct KnownHosts: Sendable {
  /// What the file says about a host's key.
  package enum Verdict: Sendable, Equatable {
    /// It is listed in this line.
    case known(line: Int)
    /// No line is about this host.
    case unknown
    /// The host is listed, but only with these other keys.
    case changed([Entry])
    /// This line revokes the key.
    case revoked(line: Int)
  }

  /// A key that is listed for a host.
  package struct Entry: Sendable, Equatable {
    /// The number of its line, from 1.
    package let line: Int
    /// Its key.
    package let key: SSHPublicKey
  }

  /// One line.
  struct Line: Sendable {
    enum Marker: Sendable {
      case none, revoked, authority
    }

    let number: Int
    let marker: Marker
    let names: Substring
    let key: SSHPublicKey
  }

  let lines: [Line]
  /// The numbers of the lines that can't be read, and so say nothing.
  package let unreadable: [Int]
  /// Lines that revoke a key that can't be read.
  private let unreadableRevocations: [(line: Int, names: Substring)]

  /// Reads the text of a file. It never fails: lines that can't be read are in `unreadable`.
  package init(_ text: String) {
    var lines: [Line] = []
    var unreadable: [Int] = []
    var revocations: [(line: Int, names: Substring)] = []
    for (index, text) in Self.lines(of: text).enumerated() {
      guard let fields = Fields(text) else { continue }
      do throws(KeyError) {
        let (key, _) = try SSHPublicKey.parse(fields.key)
        guard let marker = fields.marker else { throw KeyError("the marker is unknown") }
        lines.append(Line(number: index + 1, marker: marker, names: fields.names, key: key))
      } catch {
        unreadable.append(index + 1)
        if case .revoked? = fields.marker { revocations.append((index + 1, fields.names)) }
      }
    }
    self.lines = lines
    self.unreadable = unreadable
    unreadableRevocations = revocations
  }

  /// The lines of a text, without their ends.
  static func lines(of text: String) -> [Substring] {
    // By scalars: "\r\n" is one character. A "\r" at the end of a line stays there.
    var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines.map { Substring($0) }
  }

  /// The fields of a line.
  struct Fields {
    /// The marker; nil if it is unknown.
    let marker: Line.Marker?
    let names: Substring
    /// The key and what follows.
    let key: Substring
    /// What stands before the names, with the space after it.
    let prefix: Substring

    /// nil for an empty line or a comment.
    init?(_ line: Substring) {
      let isSpace = { (scalar: Unicode.Scalar) in scalar == " " || scalar == "\t" || scalar == "\r"
      }
      var rest = line.unicodeScalars.drop(while: isSpace)
      guard let first = rest.first, first != "#" else { return nil }
      if first == "@" {
        switch Substring(rest.prefix(while: { !isSpace($0) })) {
        case "@revoked": marker = .revoked
        case "@cert-authority": marker = .authority
        default: marker = nil
        }
        rest = rest.drop { !isSpace($0) }.drop(while: isSpace)
      } else {
        marker = Line.Marker.none
      }
      prefix = line[..<rest.startIndex]
      names = Substring(rest.prefix { !isSpace($0) })
      key = Substring(rest[names.endIndex...].drop(while: isSpace))
    }
  }

  /// The name under which a host stands in the file.
  ///
  /// - Parameter host: a name or an address, without brackets.
  package static func name(of host: String, port: UInt16) -> String {
    let host = String(decoding: NamePattern.lowercased(host), as: UTF8.self)
    return port == 22 ? host : "[\(host)]:\(port)"
  }

  /// What the file says about the key that a host presents.
  ///
  /// A line that revokes a key counts before all others. A line of a certificate authority says
  /// nothing about a key.
  ///
  /// - Throws: `KeyError` if a line for this host revokes a key that can't be read: it may be this
  ///   one.
  package func verdict(
    on key: SSHPublicKey, of host: String, port: UInt16
  ) throws(KeyError) -> Verdict {
    let name = Self.name(of: host, port: port)
    if let line = unreadableRevocations.first(where: { Self.lists($0.names, name) })?.line {
      throw KeyError("line \(line) revokes a key of this host, but the key can't be read")
    }
    let about = lines.filter { Self.lists($0.names, name) }
    if let line = about.first(where: { $0.marker == .revoked && $0.key == key }) {
      return .revoked(line: line.number)
    }
    let listed = about.filter { $0.marker == .none }
    if let line = listed.first(where: { $0.key == key }) { return .known(line: line.number) }
    if listed.isEmpty { return .unknown }
    return .changed(listed.map { Entry(line: $0.number, key: $0.key) })
  }

  /// All keys that the file lists for hosts, with the names as they are written.
  package var entries: [(names: String, entry: Entry)] {
    lines.filter { $0.marker == .none }
      .map { (String($0.names), Entry(line: $0.number, key: $0.key)) }
  }

  /// Whether a field of names lists `name`.
  static func lists(_ names: Substring, _ name: String) -> Bool {
    if names.hasPrefix("|") { return isHash(names, of: name) }
    return NamePatternList(names).matches(name)
  }

  /// Whether `text`, `|1|salt|hash`, is the hash of `name`.
  static func isHash(_ text: Substring, of name: String) -> Bool {
    let parts = text.split(separator: "|", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0].isEmpty, parts[1] == "1",
      let salt = Base64.decodeCanonical(String(parts[2])), salt.count == 20,
      let hash = Base64.decodeCanonical(String(parts[3]))
    else { return false }
    return hmacSHA1(key: salt, Array(name.utf8)) == hash
  }

  /// The line that lists a host's key, with its newline.
  package static func line(for key: SSHPublicKey, of host: String, port: UInt16) -> String {
    "\(name(of: host, port: port)) \(key)\n"
  }

  // MARK: Forgetting

  /// A text without a host, and what was found.
  struct Forgetting {
    var text = ""
    /// The lines from which the host was removed.
    var removed: [Int] = []
    /// The lines that list the host by a pattern for several names. They stay.
    var patterns: [Int] = []
  }

  /// Removes a host's own names from the text of a file. Lines that revoke keys or name authorities
  /// stay, and so does everything else.
  static func forgetting(_ host: String, port: UInt16, in text: String) -> Forgetting {
    let name = Self.name(of: host, port: port)
    var result = Forgetting()
    for (index, line) in lines(of: text).enumerated() {
      guard let fields = Fields(line), fields.marker == Line.Marker.none else {
        result.text += line + "\n"
        continue
      }
      let names = fields.names.split(separator: ",", omittingEmptySubsequences: false)
      let kept = names.filter { one in
        one.hasPrefix("|")
          ? !isHash(one, of: name)
          : NamePattern.lowercased(one) != NamePattern.lowercased(name)
      }
      if kept.count < names.count { result.removed.append(index + 1) }
      guard !kept.isEmpty else { continue }
      if lists(kept.joined(separator: ",")[...], name) { result.patterns.append(index + 1) }
      result.text += fields.prefix + kept.joined(separator: ",")
      result.text += line[fields.names.endIndex...] + "\n"
    }
    return result
  }
}
