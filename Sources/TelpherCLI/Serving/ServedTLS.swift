internal import Glibc
internal import Logging
internal import TelpherAccess
internal import TelpherKeys
internal import TelpherTLS
internal import TelpherTransport

/// The TLS of a server: its host key, and the client certificates that it accepts.
struct ServedTLS: Sendable {
  /// The value of `--host-key-file`; nil for the default path.
  var hostKeyFile: String?
  /// The value of `--client-ca`; nil to let clients prove the token.
  var clientAuthorities: String?
  /// The value of `--client-crl`.
  var revocationLists: String?

  /// The value of `--authorized-keys`.
  var authorizedKeys: String?

  /// The ssh keys that clients may prove; nil for none.
  func keys(environment: [String: String], _ logger: Logger) -> AuthorizedKeysFile? {
    let home = environment["HOME"]
    let usual = clientAuthorities == nil ? home.map { "\($0)/.ssh/authorized_keys" } : nil
    guard let path = authorizedKeys ?? usual, path != "none" else { return nil }
    let file = AuthorizedKeysFile(path, home: home) { line in
      logger.warning("ignoring a line of the authorized keys", metadata: ["why": "\(line)"])
    }
    do throws(KeyError) {
      let count = try file.current().count
      logger.info(
        "TLS clients may prove an ssh key", metadata: ["file": "\(path)", "keys": "\(count)"])
    } catch {
      logger.warning("no ssh key is accepted", metadata: ["why": "\(error)"])
    }
    return file
  }

  /// Checks that some clients can prove who they are, for a server whose clients a hub passes on: the
  /// hub's word counts for nothing, and there is no token.
  ///
  /// - Throws: `Failure` if none can.
  func requireClients(_ keys: AuthorizedKeysFile?) throws(Failure) {
    guard clientAuthorities == nil else { return }
    let why: String
    do throws(KeyError) {
      if let keys, try keys.current().count > 0 { return }
      why = keys == nil ? "none are accepted" : "the file lists none"
    } catch {
      why = "\(error)"
    }
    throw Failure(
      "--dial needs clients that prove who they are: name their ssh keys with --authorized-keys (\(why)), or an authority for certificates with --client-ca",
      kind: "bad_configuration")
  }

  /// The host key, and the door that shows it.
  struct Opened {
    let door: TLSDoor
    let key: HostKey
    /// As `ssh-keygen -l` prints it.
    let fingerprint: String
  }

  /// Reads the host key, which is made if there is none, and the certificates.
  ///
  /// - Throws: `Failure` if a file can't be used.
  func open(environment: [String: String]) throws(Failure) -> Opened {
    let key: HostKey
    do throws(SecretFile.Failure) {
      key = try HostKeyFile(hostKeyFile ?? HostKeyFile.defaultPath(environment: environment))
        .readOrMake()
    } catch {
      throw Failure("\(error)")
    }
    guard let shown = SSHPublicKey(ed25519: key.publicKey) else {
      preconditionFailure("an ed25519 key has 32 bytes")
    }
    return Opened(door: TLSDoor(try context(key)), key: key, fingerprint: shown.fingerprint)
  }

  /// A context with the certificates as the files have them now.
  private func context(_ key: HostKey) throws(Failure) -> TLSContext {
    guard let clientAuthorities else {
      do throws(TransportError) { return try TLSContext(server: key) } catch {
        throw Failure("the host key can't be used: \(error.message)")
      }
    }
    var authorities = TLSContext.ClientAuthorities(
      certificates: Array(try SmallFile.text(clientAuthorities).utf8),
      isRequired: authorizedKeys == nil || authorizedKeys == "none")
    if let revocationLists {
      authorities.revocationLists = Array(try SmallFile.text(revocationLists).utf8)
    }
    do throws(TransportError) { return try TLSContext(server: key, clients: authorities) } catch {
      throw Failure("the client certificates can't be checked: \(error.message)")
    }
  }

  /// Reads the certificates again. Open connections stay open.
  func reload(_ opened: Opened, _ logger: Logger) {
    do throws(Failure) {
      opened.door.replaceContext(by: try context(opened.key))
      logger.info("read the client certificates again")
    } catch {
      logger.error(
        "cannot read the client certificates again; the old ones stay in use",
        metadata: ["why": "\(error.message)"])
    }
  }
}
