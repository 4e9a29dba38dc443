import Glibc

/// A certificate authority for tests, made by the program openssl in a folder of a sandbox.
struct Authority {
  let sandbox: Sandbox
  /// The beginning of the paths of its files.
  private let path: String

  /// Whether the program openssl is there.
  static let hasOpenSSL = access("/usr/bin/openssl", X_OK) == 0

  /// The file with its certificate.
  var certificate: String { path + ".pem" }
  /// The file with its revocation list.
  var revocationList: String { path + ".crl" }

  /// Makes an authority that signs its own certificate.
  init(_ sandbox: Sandbox, name: String = "ca") async throws {
    try await self.init(configuring: name, sandbox)
    try await openssl(
      "req -x509 -newkey ed25519 -nodes -keyout \(path).key -out \(path).pem -subj /CN=\(name) -days 30"
    )
    try await writeRevocationList()
  }

  /// Makes an authority below this one.
  func authority(_ name: String) async throws -> Authority {
    let made = try await Authority(configuring: name, sandbox)
    let file = made.path
    sandbox.write("basicConstraints = critical,CA:TRUE\n", to: file + ".ext")
    try await openssl(
      "req -new -newkey ed25519 -nodes -keyout \(file).key -out \(file).csr -subj /CN=\(name)")
    try await sign(file, "-days 30")
    try await made.writeRevocationList()
    return made
  }

  /// Writes the files with which `openssl ca` works.
  private init(configuring name: String, _ sandbox: Sandbox) async throws {
    self.sandbox = sandbox
    path = "\(sandbox.folder)/\(name)"
    sandbox.write(
      """
      [ca]
      default_ca = it
      [it]
      database = \(path).index
      new_certs_dir = \(sandbox.folder)
      serial = \(path).serial
      crlnumber = \(path).number
      default_md = sha256
      policy = any
      [any]
      commonName = supplied

      """, to: path + ".conf")
    sandbox.write("", to: path + ".index")
    sandbox.write("01\n", to: path + ".serial")
    sandbox.write("01\n", to: path + ".number")
  }

  private func openssl(_ arguments: String) async throws {
    let result = try await sandbox.shell("openssl \(arguments)")
    guard result.status == 0 else { throw Failed("openssl \(arguments): \(result.errorText)") }
  }

  /// Makes a certificate and its key.
  ///
  /// - Parameter names: the names of the client, as subjectAltName takes them.
  /// - Returns: the options that show it.
  func client(
    _ name: String, names: String = "URI:spiffe://test/client", isExpired: Bool = false
  ) async throws -> (certificate: String, key: String) {
    let file = "\(path)-\(name)"
    sandbox.write("subjectAltName = \(names)\n", to: file + ".ext")
    try await openssl(
      "req -new -newkey ed25519 -nodes -keyout \(file).key -out \(file).csr -subj /CN=\(name)")
    let dates = isExpired ? "-startdate 20200101000000Z -enddate 20200102000000Z" : "-days 1"
    try await sign(file, dates)
    return (file + ".pem", file + ".key")
  }

  /// Signs the request in `file.csr` with the extensions in `file.ext`.
  private func sign(_ file: String, _ dates: String) async throws {
    try await openssl(
      "ca -batch -notext -config \(path).conf -cert \(certificate) -keyfile \(path).key -in \(file).csr -out \(file).pem -extfile \(file).ext \(dates)"
    )
  }

  /// Revokes a certificate and writes a new revocation list.
  func revoke(_ certificate: String) async throws {
    try await openssl(
      "ca -config \(path).conf -cert \(self.certificate) -keyfile \(path).key -revoke \(certificate)"
    )
    try await writeRevocationList()
  }

  private func writeRevocationList() async throws {
    try await openssl(
      "ca -gencrl -crldays 30 -config \(path).conf -cert \(certificate) -keyfile \(path).key -out \(revocationList)"
    )
  }
}
