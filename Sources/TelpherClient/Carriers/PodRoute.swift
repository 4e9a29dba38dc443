/// A container of a pod, which kubectl reaches with `exec`.
struct PodRoute: CarrierRoute {
  /// The context of kubectl's configuration; nil for the current one.
  let context: String?
  let namespace: String
  let pod: String
  /// The container; nil for the pod's default one.
  let container: String?

  let program = "kubectl"

  /// Reads `[CONTEXT/]NAMESPACE/POD[/CONTAINER]`. Of three parts the last is a container, so a
  /// context without a container needs an empty last part: `CONTEXT/NAMESPACE/POD/`. A slash within
  /// a part is written `%2F`. Nil if the text has another form.
  init?(parsing text: Substring) {
    var parts: [String] = []
    for part in text.split(separator: "/", omittingEmptySubsequences: false) {
      guard let part = PercentText.decoded(part) else { return nil }
      parts.append(part)
    }
    context = parts.count == 4 ? parts.removeFirst() : nil
    guard parts.count == 2 || parts.count == 3 else { return nil }
    (namespace, pod) = (parts[0], parts[1])
    container = parts.count == 3 && !parts[2].isEmpty ? parts[2] : nil
    // kubectl would take a pod that begins with a dash for an option.
    guard context != "", !namespace.isEmpty, !pod.isEmpty, pod.utf8.first != UInt8(ascii: "-")
    else {
      return nil
    }
  }

  var description: String {
    let parts = [context, namespace, pod, container ?? (context == nil ? nil : "")]
    return "kubectl://"
      + parts.compactMap { $0.map(PercentText.encoded(part:)) }.joined(separator: "/")
  }

  private var options: [String] {
    (context.map { ["--context=\($0)"] } ?? []) + ["--namespace=\(namespace)"]
  }

  private var containerOption: [String] { container.map { ["--container=\($0)"] } ?? [] }

  func arguments(running command: [String], connectTimeout: Duration) -> [String] {
    [program] + options + ["exec", "-i", pod] + containerOption + ["--"] + command
  }

  /// kubectl exits with 1 if it fails itself, and with some container runtimes also if the program
  /// does not exist; else with the status of the command.
  func meaning(of status: Int32) -> CarrierFailure {
    switch status {
    case 1: .program
    case 127: .notFound
    case 126: .notExecutable
    default: .unknown
    }
  }

  var words: CarrierWords {
    let place = "the pod \(pod) in \(namespace)"
    func exec(_ command: [String], option: [String] = []) -> String {
      CommandWords.joined(
        [program] + options + ["exec"] + option + [pod] + containerOption + ["--"] + command)
    }
    let path = "/usr/local/bin/telpher"
    return CarrierWords(
      place: place, location: "in \(place)", journey: "kubectl exec in \(place)",
      task: "start telpher in \(place)", check: exec(["true"]),
      version: exec(["telpher", "--version"]),
      copy: exec(["sh", "-c", "cat >\(path) && chmod +x \(path)"], option: ["-i"])
        + " <\"$(command -v telpher)\"")
  }
}
