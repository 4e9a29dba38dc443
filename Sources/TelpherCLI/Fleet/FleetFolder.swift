internal import Glibc
internal import TelpherAccess
internal import TelpherFleet
internal import TelpherFleetNATS
internal import TelpherNATS
internal import TelpherTransport

/// The folder of a fleet's administrator: the broker's configuration, the list of members, and for each
/// member a `FleetFile` with its key.
///
///     nats-server.conf, users.conf     for the broker
///     members                          a line for each member, and the number of replicas; its first line
///                                      is its version
///     NAME, NAME.key                   what the member NAME gets
///     hub-ca.pem                       the authorities of the broker's certificate, if it has its own
struct FleetFolder {
  /// Its absolute path.
  let path: String

  /// The name of the administrator's own file.
  static let administrator = "admin"
  /// The name of the file with the authorities of the broker's certificate.
  private static let authorities = "hub-ca.pem"

  private var membersFile: String { "\(path)/members" }
  private var processFile: String { "\(path)/nats-server.pid" }

  /// What the file `members` says.
  struct Contents: Equatable {
    /// The broker's addresses for members.
    var hubs: [String]
    /// On how many of the broker's servers everything is stored.
    var replicas: Int
    /// Whether members need the authorities of the broker's certificate.
    var hasAuthorities = false
    var members: [FleetMember]

    /// The first line. Version 1 had none; its members were in one account with the streams.
    static let version = "version 2"

    var text: String {
      ([Self.version] + hubs.map { "hub \($0)" }
        + (hasAuthorities ? ["hub-ca \(FleetFolder.authorities)"] : [])
        + ["replicas \(replicas)"] + members.map(\.line))
        .map { $0 + "\n" }.joined()
    }
  }

  /// The folder at `path`, relative to the working directory.
  init(_ path: String) { self.path = JobsPlace(path).folder }

  // MARK: Making

  /// Makes the folder with the configuration of a broker and the administrator's credentials.
  ///
  /// - Parameters:
  ///   - certificate: the files of the broker's certificate and of its key; nil without TLS.
  ///   - authorities: the file of the authorities that have signed it; nil for those of each system.
  /// - Throws: `Failure` if something is there already, or can't be read or written.
  func make(
    listen: String, hubs: [String], replicas: Int,
    certificate: BrokerConfiguration.Certificate? = nil, authorities: String? = nil
  ) throws(Failure) {
    var text: String?
    if let authorities { text = try SmallFile.text(authorities) }
    guard mkdir(path, 0o700) == 0 else {
      let number = errno
      if number == EEXIST, access(membersFile, F_OK) == 0 {
        throw Failure(
          "\(path) is the folder of a fleet already: 'telpher fleet enroll --folder' adds members to it; for another fleet name another folder"
        )
      }
      throw Failure("cannot make the folder \(path): \(describe(errno: number))")
    }
    var configuration = BrokerConfiguration(
      listen: listen, store: "\(path)/store", processFile: processFile)
    configuration.certificate = certificate
    try write("nats-server.conf", configuration.text)
    if let text { try write(Self.authorities, text) }
    var contents = Contents(
      hubs: hubs, replicas: replicas, hasAuthorities: text != nil, members: [])
    guard let name = FleetName(Self.administrator) else { preconditionFailure("it is a name") }
    contents.members.append(try enroll(name, .administrator, contents))
    try store(contents)
  }

  /// Reads the list of members.
  ///
  /// - Throws: `Failure` if it can't be read, or has a mistake.
  func contents() throws(Failure) -> Contents {
    guard access(membersFile, F_OK) == 0 else {
      throw Failure("\(path) is not the folder of a fleet; 'telpher fleet init' makes one")
    }
    var contents = Contents(hubs: [], replicas: 1, members: [])
    let lines = try SmallFile.text(membersFile).split(separator: "\n")
    guard lines.first == Contents.version[...] else {
      throw Failure(
        "\(path) is of another version of telpher; docs/FLEET.md says how to move to a new folder")
    }
    for (index, line) in lines.enumerated().dropFirst() {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == "hub" {
        contents.hubs.append(String(words[1]))
      } else if words == ["hub-ca", Substring(Self.authorities)] {
        contents.hasAuthorities = true
      } else if words.count == 2, words[0] == "replicas", let count = Int(words[1]) {
        contents.replicas = count
      } else if let member = FleetMember(line: String(line)) {
        contents.members.append(member)
      } else {
        throw Failure("\(membersFile):\(index + 1): this line does not describe a member")
      }
    }
    return contents
  }

  /// Adds members, or gives known ones another role. A known one keeps its key.
  ///
  /// - Throws: `Failure` if something can't be written.
  func add(_ names: [FleetName], _ role: FleetMember.Role) throws(Failure) -> Contents {
    var contents = try contents()
    for name in names {
      if let index = contents.members.firstIndex(where: { $0.name == name }) {
        let known = contents.members[index]
        guard known.role != .administrator else {
          throw Failure("\(name) is the administrator; choose another name")
        }
        let member = FleetMember(name, role, publicKey: known.publicKey)
        contents.members[index] = member
        try write("\(name)", file(member, contents).text)
      } else {
        contents.members.append(try enroll(name, role, contents))
      }
    }
    try store(contents)
    return contents
  }

  /// Makes the credentials of a new member.
  private func enroll(
    _ name: FleetName, _ role: FleetMember.Role, _ contents: Contents
  ) throws(Failure) -> FleetMember {
    guard !["members", "store"].contains(name.description) else {
      throw Failure("'\(name)' is the name of a file in \(path); choose another")
    }
    let key = NKey.randomUser()
    try write("\(name).key", "nkey: \(key.seed)\n")
    let member = FleetMember(name, role, publicKey: key.publicKey)
    try write("\(name)", file(member, contents).text)
    return member
  }

  private func file(_ member: FleetMember, _ contents: Contents) -> FleetFile {
    var file = FleetFile()
    file.hubs = contents.hubs
    if contents.hasAuthorities { file.authorities = Self.authorities }
    file.credentials = "\(member.name).key"
    file.api = member.api
    file.member = member.name
    if case .worker(let groups) = member.role {
      (file.worker, file.groups) = (member.name, groups)
    }
    return file
  }

  private func store(_ contents: Contents) throws(Failure) {
    try write(BrokerConfiguration.usersFile, BrokerConfiguration.users(contents.members))
    try write("members", contents.text)
  }

  /// Writes a file as a whole. Only its user may read it.
  private func write(_ name: String, _ text: String) throws(Failure) {
    let (file, new) = ("\(path)/\(name)", "\(path)/\(name).new")
    let number = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard number >= 0 else { throw Failure("cannot write \(new): \(describe(errno: errno))") }
    let bytes = Array(text.utf8)
    let isWritten = Glibc.write(number, bytes, bytes.count) == bytes.count && fsync(number) == 0
    close(number)
    guard isWritten, rename(new, file) == 0 else {
      let error = errno
      unlink(new)
      throw Failure("cannot write \(file): \(describe(errno: error))")
    }
  }

  // MARK: The broker

  /// Lets the broker read its users again, if it runs on this machine with this folder.
  func reload() throws(Failure) {
    guard access(processFile, F_OK) == 0,
      let number = Int32(try SmallFile.text(processFile).prefix { $0.isNumber }), number > 1
    else { return }
    // The number may belong to another process by now: send the signal to nats-server only.
    guard let name = try? SmallFile.text("/proc/\(number)/comm"), name == "nats-server\n" else {
      return
    }
    guard kill(number, SIGHUP) == 0 || errno == ESRCH else {
      throw Failure("cannot ask nats-server to read its users again: \(describe(errno: errno))")
    }
  }
}
