-- Asks for one user after the other, and counts what is answered.

function setup(thread)
    table.insert(threads, thread)
end

function init()
    counts = {}
end

function request()
    n = n % #paths + 1
    return wrk.format("GET", paths[n])
end

function response(status)
    counts[status] = (counts[status] or 0) + 1
end

function done()
    for _, thread in ipairs(threads) do
        for status, count in pairs(thread:get("counts")) do
            print("status " .. status .. " " .. count)
        end
    end
end
