internal import CTelpherSys
internal import Glibc
internal import TelpherClient
internal import TelpherTransport
internal import TelpherWire

/// A relay of this user that runs.
struct RunningRelay {
  /// Its process.
  let process: pid_t
  /// What it says about itself; nil if it does not answer.
  let description: Hello.Relay?
  /// The server's name and version; nil if it does not report them.
  let server: String?

  /// How long a relay has to describe itself.
  private static let timeout = Duration.seconds(2)

  /// Asks all relays of this user. That does not count as a use of them.
  ///
  /// - Throws: `Failure` if there is no private folder for them; `TransportError`.
  static func all(_ backend: any Backend, environment: [String: String]) async throws
    -> [RunningRelay]
  {
    let place = try RelayPlace(environment: environment)
    let loop = try backend.makeClientLoop(startsPrograms: false)
    var relays: [RunningRelay] = []
    for path in place.sockets {
      let hello = try? await Connection.helloOfRelay(at: path, on: loop, timeout: timeout)
      guard let process = hello?.relay?.pid ?? RelayPlace.process(listeningAt: path) else {
        RelayPlace.removeIfDead(path)
        continue
      }
      relays.append(
        RunningRelay(process: process, description: hello?.relay, server: hello?.server))
    }
    return relays
  }

  /// How long a relay has to end, in milliseconds: if nothing uses it, and if a command that has
  /// just ended may still be counted.
  private static let (endTimeout, shortEndTimeout): (Int32, Int32) = (5_000, 500)

  /// Makes it accept no further clients and end when it has none, or at once.
  ///
  /// - Returns: whether it has ended.
  func end(atOnce: Bool) -> Bool {
    let handle = telpher_pidfd_open(process)
    guard handle >= 0 else { return handle == -ESRCH }
    defer { close(handle) }
    _ = telpher_pidfd_signal(handle, atOnce ? SIGINT : SIGTERM)
    var entry = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
    let isFree = atOnce || description?.clients == 0
    if poll(&entry, 1, isFree ? Self.endTimeout : Self.shortEndTimeout) == 1 { return true }
    guard atOnce else { return false }
    _ = telpher_pidfd_signal(handle, SIGKILL)
    return poll(&entry, 1, Self.endTimeout) == 1
  }
}
