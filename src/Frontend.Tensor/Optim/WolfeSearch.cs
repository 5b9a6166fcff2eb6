namespace Picograd;

/// <summary>A search along a line for the strong Wolfe conditions, by cubic interpolation (as minFunc and PyTorch).</summary>
internal static class WolfeSearch
{
    // How much the loss must fall, and the slope.
    private const double Decrease = 1e-4;
    private const double Flatter = 0.9;
    private const int Most = 25;

    /// <summary>A place on the line.</summary>
    private readonly record struct Point(double T, double Loss, Tensor Grad, double Slope);

    public static double Dot(Tensor a, Tensor b) => (a * b).Sum().Item();

    /// <param name="at">Loss and gradient at a place.</param>
    /// <param name="t">The place to begin at.</param>
    /// <param name="direction">Of the line.</param>
    /// <param name="loss">At 0.</param>
    /// <param name="grad">At 0.</param>
    /// <param name="slope">At 0, along the line.</param>
    /// <param name="toleranceChange">What is no change.</param>
    /// <returns>Loss, gradient and place found, and how often it was asked.</returns>
    public static (double Loss, Tensor Grad, double T, int Calls) Run(
        Func<double, (double, Tensor)> at,
        double t,
        Tensor direction,
        double loss,
        Tensor grad,
        double slope,
        double toleranceChange
    )
    {
        double longest = direction.NumElements == 0 ? 0 : direction.Abs().Amax().Item();
        int calls = 0;
        Point At(double place)
        {
            var (f, g) = at(place);
            calls++;
            return new(place, f, g, Dot(g, direction));
        }

        var start = new Point(0, loss, grad, slope);
        var last = start;
        var next = At(t);
        var low = start;
        var high = next;
        bool isDone = false;
        bool isBracketed = false;
        int tries = 0;
        while (tries < Most)
        {
            if (next.Loss > loss + Decrease * next.T * slope || (tries > 1 && next.Loss >= last.Loss))
            {
                (low, high, isBracketed) = (last, next, true);
                break;
            }
            if (Math.Abs(next.Slope) <= -Flatter * slope)
            {
                (low, high, isDone, isBracketed) = (next, next, true, true);
                break;
            }
            if (next.Slope >= 0)
            {
                (low, high, isBracketed) = (last, next, true);
                break;
            }
            double further = Interpolate(last, next, (next.T + 0.01 * (next.T - last.T), next.T * 10));
            last = next;
            next = At(further);
            tries++;
        }
        if (!isBracketed)
            (low, high) = (start, next);
        if (low.Loss > high.Loss)
            (low, high) = (high, low);
        bool isSlow = false;
        while (!isDone && tries < Most)
        {
            if (Math.Abs(high.T - low.T) * longest < toleranceChange)
                break;
            // In the order in which PyTorch has them, on which the interpolation depends in its last bits only.
            double place = Interpolate(low, high, null);
            var (least, most) = (Math.Min(low.T, high.T), Math.Max(low.T, high.T));
            double margin = 0.1 * (most - least);
            if (Math.Min(most - place, place - least) < margin)
            {
                if (isSlow || place >= most || place <= least)
                {
                    place = Math.Abs(place - most) < Math.Abs(place - least) ? most - margin : least + margin;
                    isSlow = false;
                }
                else
                {
                    isSlow = true;
                }
            }
            else
            {
                isSlow = false;
            }
            var found = At(place);
            tries++;
            if (found.Loss > loss + Decrease * found.T * slope || found.Loss >= low.Loss)
            {
                high = found;
                if (low.Loss > high.Loss)
                    (low, high) = (high, low);
            }
            else
            {
                if (Math.Abs(found.Slope) <= -Flatter * slope)
                    isDone = true;
                else if (found.Slope * (high.T - low.T) >= 0)
                    high = low;
                low = found;
            }
        }
        return (low.Loss, low.Grad, low.T, calls);
    }

    // The minimum of the cubic through two points with their slopes, within bounds.
    private static double Interpolate(Point a, Point b, (double Low, double High)? bounds)
    {
        var (low, high) = bounds ?? (Math.Min(a.T, b.T), Math.Max(a.T, b.T));
        double d1 = a.Slope + b.Slope - 3 * (a.Loss - b.Loss) / (a.T - b.T);
        double square = d1 * d1 - a.Slope * b.Slope;
        if (!(square >= 0))
            return (low + high) / 2;
        double d2 = Math.Sqrt(square);
        double place =
            a.T <= b.T
                ? b.T - (b.T - a.T) * ((b.Slope + d2 - d1) / (b.Slope - a.Slope + 2 * d2))
                : a.T - (a.T - b.T) * ((a.Slope + d2 - d1) / (a.Slope - b.Slope + 2 * d2));
        return Math.Min(Math.Max(place, low), high);
    }
}
