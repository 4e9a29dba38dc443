package import TelpherKeys

/// The ssh keys by which a client may prove who it is, and how it signs with them.
///
/// Its methods block: the user may have to type a passphrase or to touch a security key.
package struct KeyRing: Sendable {
  /// The path of the ssh-agent's socket (SSH_AUTH_SOCK); nil without one.
  package var agent: String?
  /// The file that the user has named, of a private or a public key; nil for the usual ones.
  package var identity: String?
  /// The files that ssh uses if the user names none, in their order.
  package var usualFiles: [String]
  /// The environment for ssh-keygen, as `NAME=value`.
  package var environment: [String]

  /// A ring.
  package init(
    agent: String? = nil, identity: String? = nil, usualFiles: [String] = [],
    environment: [String] = []
  ) {
    self.agent = agent
    self.identity = identity
    self.usualFiles = usualFiles
    self.environment = environment
  }

  /// The names of the usual files in `~/.ssh`, in ssh's order.
  package static let usualNames = [
    "id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk",
  ]

  /// How to sign with one key.
  package enum Signer: Sendable, Equatable {
    /// By the agent.
    case agent(SSHPublicKey)
    /// By ssh-keygen, with the key in this file.
    case file(String)

    /// Whether it may need the user for each signature.
    var needsUser: Bool {
      switch self {
      case .agent(let key): key.isOnSecurityKey
      case .file: true
      }
    }
  }

  /// The most attempts to connect with different keys: sshd allows as many (MaxAuthTries).
  package static let maxAttempts = 6

  /// The signers of each attempt to connect, in order. The keys of the agent that sign without their
  /// user come first, several in one attempt; then each other key in an attempt of its own, so that
  /// the user is asked for no more than is needed.
  ///
  /// - Throws: `KeyError` if there is no key, or if the one that the user named can't be read.
  package func attempts() throws(KeyError) -> [[Signer]] {
    let signers = try identity.map { file throws(KeyError) in [try signer(of: file)] } ?? usual()
    guard !signers.isEmpty else {
      throw KeyError(
        "there is neither an ssh key nor a token to prove who you are: add a key to your ssh-agent, name one with --identity, or name the server's token with --token-file, or a certificate with --client-cert"
      )
    }
    let quick = signers.filter { !$0.needsUser }
    let together = stride(from: 0, to: quick.count, by: KeyProof.maxSignatures).map {
      Array(quick[$0..<min($0 + KeyProof.maxSignatures, quick.count)])
    }
    let alone = signers.filter(\.needsUser).map { [$0] }
    return Array((together + alone).prefix(Self.maxAttempts))
  }

  /// The signer of the file that the user named: the agent if it has the key, else ssh-keygen.
  private func signer(of file: String) throws(KeyError) -> Signer {
    for name in ["\(file).pub", file] {
      guard let text = try? TextFile.read(name), let line = text.split(separator: "\n").first,
        let key = try? SSHPublicKey.parse(line).key
      else { continue }
      if let held = try? agentKeys(), held.contains(key) { return .agent(key) }
      return .file(file)
    }
    guard try TextFile.exists(file) else { throw KeyError("there is no key file \(file)") }
    return .file(file)
  }

  private func usual() -> [Signer] {
    // Without an agent, the files may do.
    let held = (try? agentKeys()) ?? []
    let files = usualFiles.filter { file in
      guard (try? TextFile.exists(file)) == true else { return false }
      guard let text = try? TextFile.read("\(file).pub"),
        let line = text.split(separator: "\n").first,
        let key = try? SSHPublicKey.parse(line).key
      else { return true }
      return !held.contains(key)
    }
    return held.map(Signer.agent) + files.map(Signer.file)
  }

  private func agentKeys() throws(KeyError) -> [SSHPublicKey] {
    guard let agent, !agent.isEmpty else { return [] }
    return try SSHAgent(at: agent).identities().compactMap(\.key)
  }

  /// Signs the value of a connection with each of `signers`.
  ///
  /// - Returns: the signatures for HELLO, as many as fit into it, at least one.
  /// - Throws: `KeyError` if none of them signs.
  package func sign(_ binding: [UInt8], _ signers: [Signer]) throws(KeyError) -> [String] {
    var signatures: [String] = []
    var length = 0
    var failure = KeyError("there is no key to sign with")
    for signer in signers {
      do throws(KeyError) {
        let text = KeyProof.text(try sign(binding, by: signer, KeyProof.namespace))
        length += text.utf8.count
        guard signatures.isEmpty || length <= Self.maxSignaturesLength else { break }
        signatures.append(text)
      } catch {
        failure = error
      }
    }
    guard !signatures.isEmpty else { throw failure }
    return signatures
  }

  /// Signs a message for a purpose with the first key that signs, in the order of `attempts()`.
  ///
  /// - Throws: `KeyError` if there is no key, or if none signs.
  package func sign(_ message: [UInt8], namespace: String) throws(KeyError) -> SSHSignature {
    guard let signers = try? attempts().flatMap(\.self) else {
      throw KeyError(
        identity.map { "the key of \($0) can't be read" }
          ?? "there is no ssh key: add one to your ssh-agent, or name one with --identity")
    }
    var failure = KeyError("there is no key to sign with")
    for signer in signers {
      do throws(KeyError) { return try sign(message, by: signer, namespace) } catch {
        failure = error
      }
    }
    throw failure
  }

  /// The most bytes of several signatures: with the other keys they fit into a HELLO.
  private static let maxSignaturesLength = 3_500

  private func sign(
    _ message: [UInt8], by signer: Signer, _ namespace: String
  ) throws(KeyError) -> SSHSignature {
    switch signer {
    case .agent(let key):
      guard let agent else { preconditionFailure("only an agent has keys of an agent") }
      return try SSHAgent(at: agent).sign(message, with: key, namespace: namespace)
    case .file(let file):
      return try SSHKeygen.sign(
        message, with: file, namespace: namespace, environment: environment)
    }
  }
}
