using Picograd.Algorithms.Operators;

namespace Picograd.Tune;

/// <summary>A file of operator instances: one a line; empty lines and what follows '#' do not count.</summary>
internal static class SpecFile
{
    /// <exception cref="UsageException">The file cannot be read, is not text, holds a malformed line or no instance.</exception>
    public static IReadOnlyList<OperatorSpec> Read(string path)
    {
        string[] lines = TextFile.Read("FILE", path).ReplaceLineEndings("\n").Split('\n');
        var specs = new List<OperatorSpec>();
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Split('#')[0].Trim();
            if (line.Length == 0)
                continue;
            try
            {
                var spec = OperatorSpec.Parse(line);
                if (!specs.Contains(spec))
                    specs.Add(spec);
            }
            catch (OperatorSpecException e)
            {
                throw new UsageException($"line {i + 1} of '{path}': {e.Message}", e);
            }
        }
        return specs.Count > 0
            ? specs
            : throw new UsageException(
                $"FILE '{path}' holds no operator; write one a line, such as matmul m=512 n=512 k=512."
            );
    }
}
