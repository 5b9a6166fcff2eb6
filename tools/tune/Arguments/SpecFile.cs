using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Algorithms.Text;
using Picograd.Dispatch.Profiles;

namespace Picograd.Tune;

/// <summary>
/// A file of operator instances: one a line; empty lines and what follows '#' do not count. A line that is wrong, or whose
/// operator cannot be run, is told with its number and does not stop the others.
/// </summary>
internal sealed class SpecFile
{
    private readonly string _path;
    private readonly TextWriter _problems;
    private readonly Dictionary<Problem, int> _lines = [];
    private readonly Dictionary<string, Problem> _labels = [];

    private SpecFile(string path, TextWriter problems) => (_path, _problems) = (path, problems);

    /// <summary>The instances of all lines that are right, each once.</summary>
    public IReadOnlyCollection<Problem> Problems => _lines.Keys;

    /// <summary>Of a profile, by the names that the program has for them.</summary>
    public IReadOnlyDictionary<string, Problem> Labels => _labels;

    /// <summary>What a program recorded, where the file is that: see PICOGRAD_PROFILE.</summary>
    public OperatorProfile? Profile { get; private set; }

    /// <summary>How many lines were told to be wrong.</summary>
    public int Wrong { get; private set; }

    /// <summary>1 where a line was told to be wrong, else 0.</summary>
    public int ExitCode => Wrong == 0 ? TuneCommand.Success : TuneCommand.Failure;

    /// <summary>Reads a file; malformed lines and operators that this machine's memory does not hold are told.</summary>
    /// <exception cref="UsageException">The file cannot be read, is not text, or not one of its lines is right.</exception>
    public static SpecFile Read(string path, TextWriter problems)
    {
        string text = TextFile.Read("FILE", path);
        var file = new SpecFile(path, problems);
        if (OperatorProfile.IsProfile(text))
            return file.Take(text);
        if (AlgorithmOption.IsAlgorithm(text))
        {
            file._lines.Add(AlgorithmOption.Parse($"FILE '{path}'", text), 0);
            return file;
        }
        string[] lines = text.ReplaceLineEndings("\n").Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Split('#')[0].Trim();
            if (line.Length == 0)
                continue;
            try
            {
                var spec = OperatorSpec.Parse(line);
                OperatorMemory.RequireRoom(spec);
                file._lines.TryAdd(spec, i + 1);
            }
            catch (Exception e) when (e is OperatorSpecException or UsageException)
            {
                file.Tell(i + 1, e.Message);
            }
        }
        if (file._lines.Count > 0)
            return file;
        throw new UsageException(
            file.Wrong == 0
                ? $"FILE '{path}' holds no operator; write one a line, such as matmul m=512 n=512 k=512."
                : $"none of the {file.Wrong} operators of '{path}' can be used."
        );
    }

    /// <summary>What of a profile this version knows and this machine's memory holds, by the names that the program has for it.</summary>
    /// <param name="profile">What ran.</param>
    /// <param name="problem">Told the name and what is wrong, in a line, of the others.</param>
    public static Dictionary<string, Problem> Usable(OperatorProfile profile, Action<string, string> problem)
    {
        var usable = new Dictionary<string, Problem>();
        foreach (var (label, text) in profile.Operators.Select(o => (o.Spec, o.ProblemText)).DistinctBy(o => o.Spec))
        {
            try
            {
                Problem read = text.Length == 0 ? OperatorSpec.Parse(label) : AlgorithmOption.Parse(label, text);
                OperatorMemory.RequireRoom(read);
                usable.Add(label, read);
            }
            catch (Exception e) when (e is OperatorSpecException or AlgorithmTextException or UsageException)
            {
                problem(label, FirstLine(e.Message));
            }
        }
        return usable;
    }

    private SpecFile Take(string text)
    {
        try
        {
            Profile = OperatorProfile.Parse(text);
        }
        catch (FormatException e)
        {
            throw new UsageException($"FILE '{_path}': {e.Message}.", e);
        }
        foreach (var (label, problem) in Usable(Profile, (_, message) => Tell(0, message)))
        {
            _lines.TryAdd(problem, 0);
            _labels.Add(label, problem);
        }
        return _lines.Count > 0
            ? this
            : throw new UsageException($"FILE '{_path}' is a profile in which no operator can be used here.");
    }

    /// <summary>
    /// Instances that stand in a database, not in a file; what this version does not know, or this machine's memory does not
    /// hold, is told as well.
    /// </summary>
    /// <exception cref="UsageException">Not one of them can be used.</exception>
    public static SpecFile Of(IReadOnlyList<(string Label, string Text)> specs, TextWriter problems)
    {
        var all = new SpecFile("the database", problems);
        for (int i = 0; i < specs.Count; i++)
        {
            try
            {
                var spec = Problem.Read(specs[i].Label, specs[i].Text);
                OperatorMemory.RequireRoom(spec);
                all._lines.TryAdd(spec, i + 1);
            }
            catch (Exception e) when (e is OperatorSpecException or AlgorithmTextException or UsageException)
            {
                all.Wrong++;
                problems.WriteLine($"tune: a record of the database is left out: {FirstLine(e.Message)}");
            }
        }
        return all._lines.Count > 0
            ? all
            : throw new UsageException($"none of the {all.Wrong} operators of the database can be used.");
    }

    /// <summary>
    /// Does something with each instance. What is wrong with one is told with its line, and the next follows; a lost target
    /// ends it, since nothing can be run there any more.
    /// </summary>
    public void ForEach(CancellationToken cancel, Action<Problem> work)
    {
        foreach (var (spec, line) in _lines)
        {
            if (cancel.IsCancellationRequested)
                return;
            try
            {
                work(spec);
            }
            catch (Exception e) when (e is Schedules.Ir.ScheduleException or Schedules.Backend.LoweringException)
            {
                Tell(line, $"{spec} cannot be compiled: {e.Message}");
            }
            catch (Exception e) when (e is OutOfMemoryException or Schedules.Backend.TargetException { IsLost: false })
            {
                Tell(line, $"{spec}: {e.Message}");
            }
            catch (Exception e)
                when (e
                        is not (
                            OperationCanceledException
                            or FailureException
                            or UsageException
                            or Schedules.Backend.TargetException
                        )
                )
            {
                // An error of the compiler itself: told by its type, which those above have no need of.
                Tell(line, $"{spec}: internal error, {e.GetType().Name}: {e.Message}");
            }
        }
    }

    private void Tell(int line, string problem)
    {
        Wrong++;
        _problems.WriteLine($"tune: {Sentence(line, problem)}");
    }

    private string Sentence(int line, string problem) =>
        $"{(line > 0 ? $"line {line} of " : "")}'{_path}': {FirstLine(problem)}";

    private static string FirstLine(string text) => text.ReplaceLineEndings("\n").Split('\n')[0];
}
