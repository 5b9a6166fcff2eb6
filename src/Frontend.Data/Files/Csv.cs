using System.Globalization;
using nietras.SeparatedValues;

namespace Picograd.Data;

/// <summary>Numbers of files of separated values.</summary>
public static class Csv
{
    /// <summary>Reads numbers as a float32 tensor [rows, columns]; what is empty is NaN.</summary>
    /// <param name="path">The file.</param>
    /// <param name="hasHeader">Whether the first row has names.</param>
    /// <param name="columns">Names of columns, in the order wanted; all where null.</param>
    /// <param name="separator">Between values; found out where null.</param>
    /// <exception cref="InvalidDataException">A value that is no number, or a row of another length; names row and column.</exception>
    /// <exception cref="ArgumentException">A column that there is not; names those that there are.</exception>
    public static Tensor Load(
        string path,
        bool hasHeader = true,
        IReadOnlyList<string>? columns = null,
        char? separator = null
    )
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (columns is not null && !hasHeader)
            throw new ArgumentException("Csv.Load: columns have names only where there is a header.");
        try
        {
            using var reader = (separator is { } s ? Sep.New(s) : Sep.Auto)
                .Reader(o => o with { HasHeader = hasHeader, Unescape = true })
                .FromFile(path);
            int[]? places = null;
            if (columns is not null)
            {
                var names = reader.Header.ColNames.ToList();
                places = [.. columns.Select(c => names.IndexOf(c))];
                int missing = Array.IndexOf(places, -1);
                if (missing >= 0)
                    throw new ArgumentException(
                        $"Csv.Load: {path} has no column '{columns[missing]}'; it has {string.Join(", ", names)}."
                    );
            }
            var values = new List<float>();
            int width = -1;
            long rows = 0;
            foreach (var row in reader)
            {
                int count = places?.Length ?? row.ColCount;
                if (width >= 0 && width != count)
                    throw new InvalidDataException(
                        $"{path}, line {row.LineNumberFrom}: {count} values, but the rows before have {width}."
                    );
                width = count;
                rows++;
                for (int c = 0; c < count; c++)
                {
                    var text = row[places?[c] ?? c].Span.Trim();
                    if (text.IsEmpty)
                        values.Add(float.NaN);
                    else if (float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float value))
                        values.Add(value);
                    else
                        throw new InvalidDataException(
                            $"{path}, line {row.LineNumberFrom}, column {columns?[c] ?? (c + 1).ToString(CultureInfo.InvariantCulture)}: '{text}' is no number."
                        );
                }
            }
            return Tensor.From(values.ToArray(), [rows, Math.Max(0, width)]);
        }
        catch (Exception e)
            when (e
                    is not (
                        InvalidDataException
                        or IOException
                        or ArgumentException { ParamName: null }
                        or UnauthorizedAccessException
                    )
            )
        {
            throw new InvalidDataException($"{path} cannot be read as separated values: {e.Message}", e);
        }
    }
}
