namespace Picograd.TuneDb;

/// <summary>How the certified records of two stores differ.</summary>
/// <param name="OnlyLeft">Records whose key only the left store holds.</param>
/// <param name="OnlyRight">Records whose key only the right store holds.</param>
/// <param name="Changed">Records of one key whose traces differ.</param>
public sealed record TuneDiff(
    IReadOnlyList<TuneRecord> OnlyLeft,
    IReadOnlyList<TuneRecord> OnlyRight,
    IReadOnlyList<(TuneRecord Left, TuneRecord Right)> Changed
)
{
    /// <summary>Compares two stores; all lists are in ordinal order of the key texts.</summary>
    public static TuneDiff Between(ITuneStore left, ITuneStore right)
    {
        var certified = new TuneFilter { Certified = true };
        var leftRecords = left.All(certified);
        var rightRecords = right.All(certified);
        var leftByKey = leftRecords.ToDictionary(record => record.Key);
        var rightByKey = rightRecords.ToDictionary(record => record.Key);
        return new TuneDiff(
            leftRecords.Where(record => !rightByKey.ContainsKey(record.Key)).ToList(),
            rightRecords.Where(record => !leftByKey.ContainsKey(record.Key)).ToList(),
            leftRecords
                .Where(record => rightByKey.TryGetValue(record.Key, out var other) && other.Trace != record.Trace)
                .Select(record => (record, rightByKey[record.Key]))
                .ToList()
        );
    }
}
