internal import TelpherText

/// The keys that may use a server: the contents of an authorized_keys file.
package struct AuthorizedKeys: Sendable {
  /// One key and what it is restricted to.
  package struct Entry: Sendable, Equatable {
    /// The number of its line, from 1.
    package let line: Int
    /// The key.
    package let key: SSHPublicKey
    /// What it is restricted to.
    package let options: KeyOptions
    /// The comment after it.
    package let comment: String
  }

  /// A line that grants nothing, and why.
  package struct Refusal: Sendable, Equatable {
    /// The number of the line, from 1.
    package let line: Int
    /// What is wrong.
    package let reason: String
  }

  private let entries: [SSHPublicKey: [Entry]]
  /// The keys of lines that grant nothing.
  private let refusedKeys: Set<SSHPublicKey>
  /// The lines that grant nothing because of what they contain.
  package let refusals: [Refusal]

  /// No keys.
  package init() { self.init([]) }

  /// Reads the bytes of a file. It never fails: a line that can't be read exactly grants nothing.
  package init(_ bytes: [UInt8]) {
    var entries: [SSHPublicKey: [Entry]] = [:]
    var refusals: [Refusal] = []
    var refusedKeys: Set<SSHPublicKey> = []
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, bytes) in lines.enumerated() {
      let text = String(decoding: bytes, as: UTF8.self)
      do throws(KeyError) {
        guard let entry = try Self.entry(text, line: index + 1) else { continue }
        entries[entry.key, default: []].append(entry)
      } catch {
        refusals.append(Refusal(line: index + 1, reason: error.description))
        refusedKeys.formUnion(Self.keys(in: text))
      }
    }
    self.entries = entries
    self.refusals = refusals
    self.refusedKeys = refusedKeys
  }

  /// The keys that occur in a line, whatever stands before them.
  private static func keys(in line: String) -> [SSHPublicKey] {
    let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }
    return zip(words, words.dropFirst()).compactMap { type, blob in
      guard isKeyType(type) else { return nil }
      return (try? SSHPublicKey.parse("\(type) \(blob)"))?.0
    }
  }

  /// Whether a line has the key, even one that grants nothing.
  package func lists(_ key: SSHPublicKey) -> Bool {
    entries[key] != nil || refusedKeys.contains(key)
  }

  private static func entry(_ text: String, line: Int) throws(KeyError) -> Entry? {
    var text = text[...]
    if text.last == "\r" { text = text.dropLast() }
    text = text.drop { $0 == " " || $0 == "\t" }
    guard let first = text.first, first != "#" else { return nil }
    guard !text.utf8.contains(0) else { throw KeyError("the line contains a NUL byte") }
    if isKeyType(text.prefix { $0 != " " && $0 != "\t" }) {
      let (key, comment) = try SSHPublicKey.parse(text)
      return Entry(line: line, key: key, options: KeyOptions(), comment: comment)
    }
    let (options, rest) = try OptionsParser.parse(text)
    let (key, comment) = try SSHPublicKey.parse(rest)
    return Entry(line: line, key: key, options: options, comment: comment)
  }

  /// Whether a word is the name of a type of keys, known or not, and so not an option.
  private static func isKeyType(_ word: Substring) -> Bool {
    word.hasPrefix("ssh-") || word.hasPrefix("ecdsa-") || word.hasPrefix("sk-")
  }

  /// The number of keys.
  package var count: Int { entries.count }

  /// What the lines of a key say about a proof.
  package enum Verdict: Sendable, Equatable {
    /// This line accepts it.
    case accepted(Entry)
    /// No line accepts it. The reason is for the server's log only.
    case refused(String)
  }

  /// Decides about a key whose holder has proved that they have it.
  ///
  /// The first line that accepts the proof counts, as in sshd.
  ///
  /// - Parameters:
  ///   - confirmation: what a security key has confirmed; nil for other keys.
  ///   - source: the numeric address of the client.
  ///   - now: the time in seconds since 1970.
  package func verdict(
    on key: SSHPublicKey, _ confirmation: SSHSignature.Confirmation?, from source: String,
    at now: Int64
  ) -> Verdict {
    guard let lines = entries[key] else { return .refused("the key is not listed") }
    var reason = ""
    for entry in lines {
      guard let fault = Self.fault(entry, confirmation, source, now) else {
        return .accepted(entry)
      }
      reason = "line \(entry.line): \(fault)"
    }
    return .refused(reason)
  }

  private static func fault(
    _ entry: Entry, _ confirmation: SSHSignature.Confirmation?, _ source: String, _ now: Int64
  ) -> String? {
    let options = entry.options
    if let sources = options.sources, !sources.allows(source) {
      return "the key may not be used from \(source)"
    }
    if let end = options.expiresAt, now >= end { return "the key has expired" }
    guard entry.key.isOnSecurityKey else { return nil }
    if options.requiresTouch && confirmation?.isTouched != true {
      return "the security key was not touched"
    }
    if options.requiresVerification && confirmation?.isVerified != true {
      return "the security key did not verify its user"
    }
    return nil
  }
}
