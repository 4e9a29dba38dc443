/// A running container, which docker or podman reaches with `exec`.
struct ContainerRoute: CarrierRoute {
  /// A program that manages containers.
  enum Engine: String {
    case docker
    case podman
  }

  let engine: Engine
  /// The name or id of the container.
  let name: String

  /// Reads the name of a container. Nil if there is none, or if the program would take it for an
  /// option or more than a name.
  init?(_ engine: Engine, parsing text: Substring) {
    let name = text.hasSuffix("/") ? text.dropLast() : text
    guard !name.isEmpty, name.utf8.first != UInt8(ascii: "-"),
      !name.utf8.contains(UInt8(ascii: "/"))
    else { return nil }
    self.engine = engine
    self.name = String(name)
  }

  var program: String { engine.rawValue }

  var description: String { "\(engine.rawValue)://\(name)" }

  func arguments(running command: [String], connectTimeout: Duration) -> [String] {
    // podman ends the session at the bytes of Ctrl-P Ctrl-Q unless it has no detach keys; docker
    // looks for them only on a terminal.
    let options = engine == .podman ? ["--detach-keys="] : []
    return [program, "exec", "-i"] + options + [name] + command
  }

  /// podman exits with 125 if it fails itself, or with 255 if the container does not run
  /// (podman-exec(1)); docker exits with 1. Both exit with the status of the command else.
  func meaning(of status: Int32) -> CarrierFailure {
    switch status {
    case 1, 125, 255: .program
    case 127: .notFound
    case 126: .notExecutable
    default: .unknown
    }
  }

  var words: CarrierWords {
    let exec = CommandWords.joined([program, "exec", name])
    return CarrierWords(
      place: "the container \(name)", location: "in the container \(name)",
      journey: "\(program) exec in the container \(name)",
      task: "start telpher in the container \(name)", check: "\(exec) true",
      version: "\(exec) telpher --version",
      copy:
        "\(program) cp \"$(command -v telpher)\" \(CommandWords.quoted("\(name):/usr/local/bin/"))")
  }
}
